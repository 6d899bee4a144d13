# smtpd: the SMTP server. Keeper, templates, dialogue.
smtpd_programs := ekiden-smtpd
smtpd_modules  := settings keeper listener single template injectors fence client session_table \
                  helper_table helper_program helper_rows helper_state helper_ask judge_ask judgement judgement_words objection local_rules bad_lists tarpit \
                  submit submit_io submit_injector submit_program \
                  dialogue session verbs envelope_verbs message arrival chunks stream input command command_parameters reply transaction policy policy_rules policy_ask \
                  data received role starttls tunnel ucspi_tls \
                  authentication sasl login_policy bounce_policy budget submission \
                  results_filter results spf_identities spf_findings
