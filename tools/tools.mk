# tools: what a person types, as opposed to what the mail passes through.
tools_programs := ekiden-serve ekiden-dns ekiden-inject sendmail
tools_modules  := serve_folder serve_ports problem message_input message_header sender_names display_name compose submission queue_show sendmail_options
