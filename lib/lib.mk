# lib: what two or more programs share.
lib_programs :=
lib_modules  := log control table network address routing packet privilege sandbox checksum
