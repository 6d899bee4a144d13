# judge: what the network and our memory say about a client. Rules, and what they find.
judge_programs :=
judge_modules  := finding question
# What we remember of clients.
judge_modules  += memory greylist greylist_sender greylist_settings limits limits_settings
