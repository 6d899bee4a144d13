# What the crash tests need besides the programs: `fault`, and in malloc/ the programs once more, in
# which an allocation can fail.
crash_tools    := $(BUILD)/crash/fault
crash_programs := $(addprefix $(BUILD)/crash/malloc/,$(programs))
crash_wrapped  := malloc calloc realloc posix_memalign aligned_alloc

# In clock/ some of them, for whom the time of day can jump.
crash_clocked  := ekiden-smtpd ekiden-queue ekiden-send ekiden-local ekiden-bounce
crash_clock    := $(addprefix $(BUILD)/crash/clock/,$(crash_clocked))

.PHONY: crash-tools

crash-tools: $(crash_tools) $(crash_programs) $(crash_clock)

$(BUILD)/crash/fault: $(addprefix $(BUILD)/tests/crash/,fault.o fault_calls.o fault_process.o)
	@mkdir -p $(@D)
	$(call say,LINK) $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

define crash_rule
$(BUILD)/crash/malloc/$(1): $(BUILD)/$(1) $(BUILD)/tests/crash/fault_malloc.o
	@mkdir -p $$(@D)
	$$(call say,LINK) $(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $$@ $(BUILD)/$(2)/$(1).o \
	  $(BUILD)/tests/crash/fault_malloc.o $(addprefix -Wl$(comma)--wrap=,$(crash_wrapped)) \
	  -Wl,--start-group $(archives) -Wl,--end-group $($(2)_libraries) $(LDLIBS)
endef
define crash_clock_rule
$(BUILD)/crash/clock/$(1): $(BUILD)/$(1) $(BUILD)/tests/crash/clock.o
	@mkdir -p $$(@D)
	$$(call say,LINK) $(CC) $(CFLAGS) $(LINK) $(LDFLAGS) -o $$@ $(BUILD)/$(2)/$(1).o \
	  $(BUILD)/tests/crash/clock.o $(addprefix -Wl$(comma)--wrap=,clock_gettime time gettimeofday) \
	  -Wl,--start-group $(archives) -Wl,--end-group $($(2)_libraries) $(LDLIBS)
endef
comma := ,
$(foreach folder,$(folders),$(foreach program,$($(folder)_programs),$(eval $(call crash_rule,$(program),$(folder)))))
$(foreach folder,$(folders),$(foreach program,$(filter $(crash_clocked),$($(folder)_programs)),$(eval $(call crash_clock_rule,$(program),$(folder)))))

# The long forms of what `make check` does briefly. Each appends its rows to the table.
crash: all crash-tools
	rm -f $(BUILD)/crash/rows && touch $(BUILD)/crash/rows
	-tests/crash/sweep --build $(BUILD) --rows $(BUILD)/crash/rows
	-tests/crash/damage_sweep --build $(BUILD) --rows $(BUILD)/crash/rows
	-tests/crash/blocks --build $(BUILD) --rows $(BUILD)/crash/rows
	/usr/bin/python3 tests/crash/rows.py $(BUILD)/crash/rows
