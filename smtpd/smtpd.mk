# smtpd: the SMTP server. Keeper, templates, dialogue.
smtpd_programs := ekiden-smtpd
smtpd_modules  := settings keeper listener template client session_table helper submit \
                  dialogue session verbs message stream input command reply transaction policy \
                  data hops received
