# tls: the TLS engine, in a process without a key, and the process that holds the key.
tls_programs :=
tls_modules  := tls_request tls_service tls_holder anchors anchors_watch client_chain client_reason client_service client_setup
