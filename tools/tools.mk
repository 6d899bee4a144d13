# tools: what a person types, as opposed to what the mail passes through.
tools_programs := ekiden ekiden-serve ekiden-dns ekiden-explain ekiden-inject sendmail
tools_modules  := serve_folder serve_ports problem message_input message_header sender_names display_name compose submission queue_show print explain_answer explain_dialogue explain_play explain_print explain_route explain_session queue_print queue_command queue_select queue_view queue_content queue_status queue_change queue_link queue_pause sendmail_options
