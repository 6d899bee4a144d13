# tls: the TLS engine, in a process without a key, and the process that holds the key.
tls_programs :=
tls_modules  := tls_request anchors client_chain client_reason client_setup
