# Ekiden. `make`, `make check`, `make install DESTDIR=`, `make SANITIZE=1 BUILD=build-sanitize`.
# Settings are in the conf-* files; each folder names its programs and modules in its .mk.
# `make V=1` shows the commands.

first = $(shell sed -n $(2)p conf-$(1))

BUILD   ?= build
CC      := $(if $(filter default undefined,$(origin CC)),$(firstword $(call first,cc,1)),$(CC))
PREFIX  ?= $(call first,prefix,1)
CONTROL ?= $(call first,control,1)
QUEUE   ?= $(call first,queue,1)
MAIL    ?= $(call first,mail,1)
INJECT  ?= $(call first,inject,1)
STATE   ?= $(call first,state,1)
JUDGE   ?= $(call first,state,2)
LIBEXEC  = $(PREFIX)/libexec/ekiden
SBIN     = $(PREFIX)/sbin
MAN      = $(PREFIX)/share/man

WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
HARDENED := -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=3 -fcf-protection
OPTIMIZE := $(wordlist 2,20,$(call first,cc,1))
LINK     := $(call first,ld,1)

ifdef SANITIZE
HARDENED := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
            -DEKIDEN_SANITIZE
OPTIMIZE := -O1 -g
LINK     := -fsanitize=address,undefined
endif

CPPFLAGS += -D_GNU_SOURCE -I. -I$(BUILD)
CFLAGS   += -std=c17 -fPIE $(OPTIMIZE) $(WARNINGS) $(HARDENED)
LDLIBS   += -l:libskarnet.a -lresolv -lidn2 -lunistring -lbearssl -llmdb -lcrypt

say = $(if $(V),,@printf '  %-5s %s\n' $(1) $@;)

folders := lib judge spf tls auth smtpd queue deliver tools
include $(foreach folder,$(folders),$(folder)/$(folder).mk)

programs := $(foreach folder,$(folders),$($(folder)_programs))
archives := $(foreach folder,$(folders),$(if $($(folder)_modules),$(BUILD)/$(folder).a))
tests    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))

.PHONY: all check unit crash bench install clean format fuzz man-check
.SECONDARY:
.DELETE_ON_ERROR:

all: $(addprefix $(BUILD)/,$(programs))

# A folder's modules become one archive; a program is its own object and what it needs of these. A
# folder may name libraries that its own programs need and no others.
define folder_rules
$(BUILD)/$(1).a: $(patsubst %,$(BUILD)/$(1)/%.o,$($(1)_modules)) $(1)/$(1).mk
	$$(call say,AR) rm -f $$@ && ar rcs $$@ $$(filter %.o,$$^)
$(foreach program,$($(1)_programs),$(eval $(BUILD)/$(program): $(BUILD)/$(1)/$(program).o))
$(foreach program,$($(1)_programs),$(eval $(BUILD)/$(program): private LDLIBS := $($(1)_libraries) $(LDLIBS)))
endef
$(foreach folder,$(folders),$(eval $(call folder_rules,$(folder))))

$(addprefix $(BUILD)/,$(programs)): $(archives)
	$(call say,LINK) $(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(archives) -Wl,--end-group $(LDLIBS)

$(BUILD)/%.o: %.c $(BUILD)/configured.h
	@mkdir -p $(@D)
	$(call say,CC) $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The settings of the conf- files, as the programs see them. Rewritten only when one of them changed.
$(BUILD)/configured.h: conf-users conf-control conf-queue conf-mail conf-inject conf-state conf-prefix Makefile
	@mkdir -p $(@D)
	$(call say,CONF) printf '#define CONFIGURED_%s "%s"\n' \
	  USER_DIALOGUE '$(call first,users,1)' USER_INJECTOR '$(call first,users,2)' \
	  USER_SCHEDULER '$(call first,users,3)' USER_LOCAL '$(call first,users,4)' \
	  USER_REMOTE '$(call first,users,5)' USER_TLS '$(call first,users,6)' \
	  USER_KEY '$(call first,users,7)' USER_AUTH '$(call first,users,8)' \
	  USER_JUDGE '$(call first,users,9)' USER_SPF '$(call first,users,10)' \
	  CONTROL '$(CONTROL)' QUEUE '$(QUEUE)' MAIL '$(MAIL)' INJECT '$(INJECT)' STATE '$(STATE)' JUDGE '$(JUDGE)' LIBEXEC '$(LIBEXEC)' > $@

# Unit tests are dynamic: cmocka comes as a shared library only.
$(BUILD)/tests/%: tests/unit/%.c $(archives)
	@mkdir -p $(@D)
	$(call say,TEST) $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(if $(SANITIZE),$(LINK)) -o $@ $< \
	  -Wl,--start-group $(archives) -Wl,--end-group $(LDLIBS) -lcmocka

# Writers of a greylist, for its bench and its test.
$(BUILD)/tests/greylist_store: $(BUILD)/tests/bench/greylist_store.o $(archives)
	$(call say,LINK) $(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $@ $< -Wl,--start-group $(archives) -Wl,--end-group $(LDLIBS)

# The load client of the benches. OpenSSL, which nothing else here needs, does more handshakes on a
# CPU than BearSSL, so that what is measured is the server.
client := $(patsubst %,$(BUILD)/tests/bench/%.o,client client_connection client_message)
$(BUILD)/tests/bench_client: $(client)
	$(call say,LINK) $(CC) $(CFLAGS) $(if $(SANITIZE),$(LINK)) $(LDFLAGS) -o $@ $^ -lssl -lcrypto -pthread

# A test that counts syncs.
$(BUILD)/tests/test_maildir: private LDLIBS += -Wl,--wrap=fsync,--wrap=time

# A test that cannot wait for hours.
$(BUILD)/tests/test_remote_master: private LDLIBS += -Wl,--wrap=remote_delivery_seconds

unit: $(tests) $(BUILD)/tests/greylist_store $(BUILD)/tests/bench_client $(if $(SANITIZE),,crash-tools)

check: all unit
	sh quickstart check

bench: all $(BUILD)/tests/greylist_store $(BUILD)/tests/bench_client
	tests/bench/run --build $(BUILD)
	tests/bench/profile --build $(BUILD)
	tests/bench/tls --build $(BUILD)
	tests/bench/judge --build $(BUILD)
	tests/bench/queue --build $(BUILD)
	tests/bench/destinations --build $(BUILD)
	tests/bench/greylist --build $(BUILD)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build build-*

include tests/crash/crash.mk
include tests/fuzz/fuzz.mk
include etc/install.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
