# lib: what two or more programs share.
lib_programs :=
lib_modules  := checks log clock control control_watch control_host control_size srs srs_settings table table_compile table_file table_line network address address_list utf8 routing routing_entry smtproutes smtproutes_parse tlspolicy tlspolicy_parse packet privilege sandbox sender accounts aliases checksum dns dns_exchange dns_packet dns_query dns_servers date hops header_address header_scan spool descriptors process signals fields base64 budget program_path paused dsn
lib_modules  += domain_ascii dns_batch
# Memory that processes share.
lib_modules  += store store_file duration
