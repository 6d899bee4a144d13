# judge: what the network and our memory say about a client. Rules, and what they find.
judge_programs := ekiden-judge
judge_modules  := finding question judge judge_settings judge_image judge_serve judge_fence
# What the DNS says.
judge_modules  += asking dnsbl_line dnsbl_lists dnsbl names
# What we remember of clients.
judge_modules  += counting memory greylist greylist_sender greylist_settings limits limits_settings
