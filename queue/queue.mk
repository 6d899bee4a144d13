# queue: the injector, the scheduler, the form of the queue.
queue_programs := ekiden-queue ekiden-send
queue_modules  := envelope queue_file queue_form queue_read queue_layout injector wake
