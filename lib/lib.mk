# lib: what two or more programs share.
lib_programs :=
lib_modules  := log control control_watch table table_compile table_file network address utf8 routing routing_entry packet privilege sandbox checksum
