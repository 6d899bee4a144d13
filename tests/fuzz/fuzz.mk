# Fuzz targets: libFuzzer, so clang. `make fuzz` runs each for FUZZ_SECONDS (default 60); a finding
# ends it with an error and leaves the input in $(BUILD)/fuzz/. FUZZ_SECONDS=5 is the short form.
FUZZ_SECONDS ?= 60
FUZZ_CC      ?= clang
fuzz_targets := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

# fuzz_NAME.c is linked with the module NAME, and with what that one needs besides.
fuzz_address_needs := lib/utf8.c
fuzz_bounce_reason_needs := lib/address.c lib/utf8.c
fuzz_client_chain_needs := tls/client_chain.c
fuzz_command_needs := smtpd/command_parameters.c lib/dsn.c lib/address.c lib/utf8.c
fuzz_credentials_needs := auth/login.c auth/passwords.c auth/hash.c lib/utf8.c lib/control.c lib/log.c lib/table.c \
                          lib/table_compile.c lib/table_file.c lib/checksum.c
fuzz_dns_packet_needs := lib/dns_query.c
fuzz_dnsbl_line_needs := lib/address.c lib/utf8.c lib/network.c lib/control.c lib/log.c
fuzz_question_needs := judge/finding.c
fuzz_data_needs    := lib/hops.c
fuzz_sasl_needs    := lib/base64.c
fuzz_maildir_ledger_needs := lib/control_size.c lib/control.c lib/log.c
fuzz_srs_needs     := lib/secret_keys.c lib/base64.c lib/address.c lib/utf8.c
fuzz_batv_needs    := lib/secret_keys.c lib/address.c lib/utf8.c
fuzz_greylist_sender_needs := lib/address.c lib/utf8.c
fuzz_remote_job_needs := deliver/dsn_fields.c lib/dsn.c lib/fields.c lib/smtproutes_parse.c lib/tlspolicy_parse.c lib/address.c lib/utf8.c
fuzz_smtproutes_parse_needs := lib/tlspolicy_parse.c lib/address.c lib/utf8.c
fuzz_remote_reply_needs := deliver/remote_extensions.c
fuzz_job_needs     := deliver/dsn_fields.c lib/dsn.c lib/utf8.c lib/fields.c
fuzz_header_filter_needs := lib/header_scan.c
fuzz_results_filter_needs := lib/header_scan.c
fuzz_header_address_needs := lib/utf8.c queue/envelope.c lib/dsn.c
fuzz_envelope_needs := lib/dsn.c lib/utf8.c
fuzz_spf_lint_needs := spf/spf_rewrite.c spf/spf_macro_item.c spf/spf_macro_form.c
fuzz_spf_macro_needs := spf/spf_macro_item.c spf/spf_macro_form.c spf/spf_question.c spf/spf_name.c lib/dns_query.c lib/domain_ascii.c lib/address.c lib/utf8.c lib/ip.c
fuzz_spf_question_needs := spf/spf_answer.c spf/spf_name.c lib/dns_query.c lib/domain_ascii.c lib/address.c lib/utf8.c lib/ip.c
fuzz_dsn_needs     := lib/utf8.c
fuzz_key_pair_needs := tls/key_form.c tls/key_input.c tls/key_pem.c
fuzz_tls_request_needs := lib/fields.c lib/packet.c
fuzz_ucspi_tls_needs := lib/fields.c
fuzz_queue_control_needs := queue/queue_file.c queue/queue_form.c queue/envelope.c lib/dsn.c lib/utf8.c lib/checksum.c \
                            lib/fields.c lib/journal.c
fuzz_queue_read_needs := queue/queue_form.c queue/envelope.c lib/dsn.c lib/utf8.c lib/checksum.c

FUZZ_FLAGS   := -std=c17 -g -O1 $(WARNINGS) -fsanitize=fuzzer,address,undefined \
                -fno-sanitize-recover=all

define fuzz_rule
$(BUILD)/fuzz/$(1): tests/fuzz/$(1).c \
  $$(wildcard $(patsubst %,%/$(1:fuzz_%=%).c,lib smtpd queue deliver tls auth judge spf)) $$($(1)_needs) \
  $$(wildcard lib/*.h smtpd/*.h deliver/*.h tls/*.h auth/*.h judge/*.h spf/*.h tests/unit/*.h)
	@mkdir -p $$(@D)
	$$(FUZZ_CC) -D_GNU_SOURCE -I. $$(FUZZ_FLAGS) -o $$@ $$(filter %.c,$$^) $$(LDLIBS)
endef
$(foreach target,$(fuzz_targets),$(eval $(call fuzz_rule,$(target))))

fuzz: $(addprefix $(BUILD)/fuzz/,$(fuzz_targets))
	@for target in $(fuzz_targets); do \
	  mkdir -p $(BUILD)/fuzz/$$target.corpus && echo "$$target: $(FUZZ_SECONDS) s" && \
	  $(BUILD)/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
	    -print_final_stats=1 -verbosity=0 -dict=tests/fuzz/smtp.dict \
	    -artifact_prefix=$(BUILD)/fuzz/$$target- $(BUILD)/fuzz/$$target.corpus || exit 1; \
	done
