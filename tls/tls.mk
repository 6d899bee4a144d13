# tls: the TLS engine, in a process without a key, and the process that holds the key.
tls_programs := ekiden-tls
tls_modules  := tls_request tls_service tls_holder anchors anchors_watch client_chain client_reason client_service client_setup \
                engine pump hello_name reason suites template fence key_channel key_engines key_folder key_form key_input \
                key_pair key_pem key_process key_resume key_sessions key_stamp key_store server_engine server_service server_session ucspi ucspi_engine
