# tools: what a person types, as opposed to what the mail passes through.
tools_programs := ekiden-serve ekiden-dns
tools_modules  := serve_folder
