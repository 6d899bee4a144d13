# auth: who a user is. ekiden-auth checks a password, ekiden-passwd edits the database.
auth_programs :=
auth_modules  :=
