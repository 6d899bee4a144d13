# spf: who may send for a domain (RFC 7208). One question, one answer, one process.
spf_programs  := ekiden-spf
spf_modules   := spf_answer spf_question spf_name spf_macro spf_macro_item spf_macro_form spf_lint spf_rewrite spf_lookups spf_check spf_validated spf_evaluation spf_ahead spf_term spf_explain spf_evaluate
spf_libraries := -l:libspf2.a
