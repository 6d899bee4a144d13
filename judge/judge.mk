# judge: what the network and our memory say about a client. Rules, and what they find.
judge_programs :=
judge_modules  := finding question
