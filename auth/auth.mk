# auth: who a user is. ekiden-auth checks a password, ekiden-passwd edits the database.
auth_programs := ekiden-auth ekiden-passwd
auth_modules  := auth_settings login hash passwords credentials remembered gate spending slots foreign follow fence password_file terminal
