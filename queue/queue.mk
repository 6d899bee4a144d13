# queue: the injector, the scheduler, the form of the queue.
queue_programs := ekiden-queue ekiden-send ekiden-bounce
queue_modules  := envelope queue_file queue_form queue_read queue_layout queue_count queue_room injector wake \
                  send_place send_schedule send_wheel send_wake send_folder send_odd send_tidy send_source send_active \
                  send_jobs send_agent send_settings send_take send_marks send_finish send_dispatch \
                  send_loop send_fence send_local send_remote send_report send_result send_start \
                  send_count send_rewrite send_transactions send_destinations send_limits send_waiting \
                  send_backlog send_intake send_park send_window notes reasons report_job verp \
                  inject_client inject_path inject_peer inject_limits inject_fence inject_socket \
                  inject_server inject_relay queue_list \
                  queue_walk queue_item queue_control queue_asked queue_operate queue_cancel send_control send_operate \
                  bounce bounce_settings bounce_header bounce_original bounce_writer bounce_reason \
                  bounce_failures bounce_status bounce_report
