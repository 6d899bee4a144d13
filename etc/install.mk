# `make install`: programs, manual pages, units, run scripts, sample control files below $(DESTDIR).
# It needs no user to exist and writes no uid: the units, sysusers.d and the programs name users,
# and these names are looked up when they are used.

# Where systemd looks. Not below PREFIX: sysusers.d and tmpfiles.d are read from few places.
SYSTEMD_UNITS ?= /usr/lib/systemd/system
SYSUSERS      ?= /usr/lib/sysusers.d
TMPFILES      ?= /usr/lib/tmpfiles.d
# Run scripts for supervisors, inetd files, samples: nothing reads them from here.
SHARE          = $(PREFIX)/share/ekiden

USER_DIALOGUE  := $(call first,users,1)
USER_INJECTOR  := $(call first,users,2)
USER_SCHEDULER := $(call first,users,3)
USER_LOCAL     := $(call first,users,4)
USER_REMOTE    := $(call first,users,5)
USER_TLS       := $(call first,users,6)
USER_KEY       := $(call first,users,7)
USER_AUTH      := $(call first,users,8)
USER_JUDGE     := $(call first,users,9)
USER_SPF       := $(call first,users,10)

# Each file *.in holds @NAME@ where a setting belongs.
settings  := LIBEXEC SBIN CONTROL QUEUE MAIL INJECT STATE JUDGE USER_DIALOGUE USER_INJECTOR \
             USER_SCHEDULER USER_LOCAL USER_REMOTE USER_TLS USER_KEY USER_AUTH USER_JUDGE USER_SPF
configure  = sed $(foreach name,$(settings),-e 's|@$(name)@|$($(name))|g')

# $(call install_file,SOURCE,TARGET,MODE). The new file is renamed into place, so that a program
# that runs, or a supervisor that reads, never meets half of it.
define install_file
	@mkdir -p '$(DESTDIR)$(dir $(2))'
	@echo "  INSTALL $(DESTDIR)$(2)"
	@$(if $(filter %.in,$(1)),$(configure) $(1),cat $(1)) > '$(DESTDIR)$(2).new'
	@chmod $(3) '$(DESTDIR)$(2).new' && mv -f '$(DESTDIR)$(2).new' '$(DESTDIR)$(2)'

endef

# $(call install_tree,FOLDER,TARGET,FILES,MODE): keeps the paths below FOLDER.
install_tree = $(foreach file,$(3),\
                 $(call install_file,$(file),$(2)/$(patsubst $(1)/%,%,$(file:.in=)),$(4)))

units       := $(wildcard etc/systemd/*)
services    := $(wildcard etc/service/*/run.in etc/service/*/log/run.in)
inetd       := $(wildcard etc/inetd/*.conf.in etc/inetd/*.xinetd.in)
inetd_run   := etc/inetd/ekiden-smtpd-inetd.in
certbot     := etc/certbot/ekiden-certificate.in
samples     := $(notdir $(wildcard etc/control/*))
man_pages   := $(wildcard doc/man/*.[1-8])

.PHONY: install install-programs install-man install-etc install-control
install: install-programs install-man install-etc install-control
	@echo 'Installed. What comes next stands in INSTALL: users and folders, names, a service.'

# What a person types goes to SBIN, what only other programs start to LIBEXEC.
# ekiden-smtpd executes ekiden-check, and looks for it beside itself.
typed := $(filter-out ekiden-check,$(tools_programs)) ekiden-passwd
install-programs: all
	$(foreach program,$(filter $(typed),$(programs)),\
	  $(call install_file,$(BUILD)/$(program),$(SBIN)/$(program),0755))
	$(foreach program,$(filter-out $(typed),$(programs)),\
	  $(call install_file,$(BUILD)/$(program),$(LIBEXEC)/$(program),0755))
	@$(foreach name,mailq newaliases,ln -sf sendmail '$(DESTDIR)$(SBIN)/$(name)' &&) :

install-man:
	$(foreach page,$(man_pages),\
	  $(call install_file,$(page),$(MAN)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)),0644))

install-etc:
	$(call install_tree,etc/systemd,$(SYSTEMD_UNITS),$(units),0644)
	$(call install_file,etc/sysusers.d/ekiden.conf.in,$(SYSUSERS)/ekiden.conf,0644)
	$(call install_file,etc/tmpfiles.d/ekiden.conf.in,$(TMPFILES)/ekiden.conf,0644)
	$(call install_tree,etc/service,$(SHARE)/service,$(services),0755)
	$(call install_tree,etc/inetd,$(SHARE)/inetd,$(inetd),0644)
	$(call install_tree,etc/inetd,$(LIBEXEC),$(inetd_run),0755)
	$(call install_tree,etc/certbot,$(LIBEXEC),$(certbot),0755)

# The operator's files are never touched; a sample is installed only where there is nothing. The new
# samples always lie in SHARE beside them, to compare.
install-control:
	$(call install_tree,etc/control,$(SHARE)/control,$(wildcard etc/control/*),0644)
	@mkdir -p '$(DESTDIR)$(CONTROL)'
	@for name in $(samples); do \
	  test -e '$(DESTDIR)$(CONTROL)'/$$name || \
	    install -m 0644 etc/control/$$name '$(DESTDIR)$(CONTROL)'/$$name || exit; \
	done

man-check:
	mandoc -Tlint -W warning $(man_pages)
