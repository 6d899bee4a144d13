# lib: what two or more programs share.
lib_programs :=
lib_modules  := checks log clock control control_watch control_host control_size
lib_modules  += secret_keys secret_file srs srs_settings batv batv_settings
lib_modules  += table table_compile table_file network ip
lib_modules  += address address_list utf8 routing routing_entry
lib_modules  += smtproutes smtproutes_parse tlspolicy tlspolicy_parse
lib_modules  += packet privilege sandbox sender accounts aliases checksum
lib_modules  += dns dns_batch dns_exchange dns_packet dns_query dns_servers domain_ascii
lib_modules  += date hops header_address header_scan
lib_modules  += journal spool descriptors process signals fields base64 budget program_path paused dsn
# Memory that processes share.
lib_modules  += store store_file store_lock store_records duration
