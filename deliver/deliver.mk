# deliver: the delivery agents.
deliver_programs := ekiden-local ekiden-remote ekiden-launch ekiden-dotqmail
deliver_modules  := job dsn_fields agent_link header_filter failure mailbox mailbox_make maildir durable message_copy forward batch worker
deliver_modules  += maildir_ledger maildir_quota mail_quotas
deliver_modules  += remote_scan remote_reply remote_extensions remote_data
deliver_modules  += remote_stream remote_talk remote_envelope remote_reading remote_body remote_chunks remote_tls remote_identity remote_login remote_opening remote_session
deliver_modules  += remote_job remote_credentials reuselimit remote_settings remote_way remote_refusals remote_ourselves remote_hosts remote_exchangers remote_connect remote_connection remote_delivery
deliver_modules  += remote_fence remote_world remote_process remote_child remote_children remote_master remote_single
deliver_modules  += forward_message mbox mbox_quote message_stage program
deliver_modules  += dotqmail dotqmail_agent dotqmail_environment dotqmail_file dotqmail_forward dotqmail_maildir dotqmail_parse dotqmail_program
deliver_modules  += launch_account launch_child launch_loop launch_settings launch_take launch_user
