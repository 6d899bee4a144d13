# deliver: the delivery agents.
deliver_programs := ekiden-local
deliver_modules  := job header_filter failure mailbox mailbox_make maildir durable message_copy batch worker
