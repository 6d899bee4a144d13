# deliver: the delivery agents.
deliver_programs := ekiden-local
deliver_modules  := job
