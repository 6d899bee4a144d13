"""Other mail servers: Debian's Postfix, Exim and OpenSMTPD, and Dovecot, which takes LMTP.

Each keeps to a folder of its own as far as it can be told to, listens on a port of 127.0.0.1,
delivers DOMAIN to a Maildir for each user, and relays everything else to one port. ROOT is what the
server sees as `/`: Exim and OpenSMTPD have their programs and users only in a machine's own root,
into which `install` unpacks their packages (Debian lets only one mail server be installed, and
nothing of that machine stays).
"""

import os
import subprocess
from pathlib import Path

NOBODY = 65534


class OtherServer:
    name = None
    packages = ()
    accounts = {}  # that the packages would make: name -> id of user and group
    environment = {}

    def __init__(self, folder, port, domain, users, relay=None, root="/"):
        self.folder, self.port, self.domain, self.users = Path(folder), port, domain, users
        self.relay, self.root = relay, Path(root)

    def outside(self, path=""):
        """Where we find what the server has at PATH, absolute or below its folder."""
        return self.root / str(self.folder / path).lstrip("/")

    def make(self, path, mode=0o755, user="root", group=None):
        """Makes a folder."""
        self.outside(path).mkdir(parents=True, exist_ok=True)
        self.outside(path).chmod(mode)
        uid, gid = self.ids("passwd", user), self.ids("group", group or user)
        os.chown(self.outside(path), uid, gid)
        self.outside(path).chmod(mode)

    def ids(self, table, name):
        lines = self.outside(f"/etc/{table}").read_text().splitlines()
        return next(int(line.split(":")[2]) for line in lines if line.startswith(f"{name}:"))

    def write(self, path, text, **more):
        words = {"folder": self.folder, "port": self.port, "domain": self.domain,
                 "relay": self.relay, "users": self.users, **more}  # fmt: skip
        self.outside(path).write_text(text.format(**words))

    @classmethod
    def missing(cls, packages):
        """Why it cannot be installed from the folder PACKAGES, or None."""
        if os.geteuid() != 0:
            return "needs root"
        for name in cls.packages:
            if not list(Path(packages).glob(f"{name}_*.deb")):
                return f"the package {name} could not be fetched"
        return None

    def install(self, packages):
        """Unpacks what its packages and those that they need hold into ROOT, which is not `/`."""
        assert self.root != Path("/")
        self.unpack(sorted(Path(packages).glob("*.deb")))
        self.add_accounts()

    def add_accounts(self):
        for name, number in self.accounts.items():
            user = f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
            for table, line in ("passwd", user), ("group", f"{name}:x:{number}:\n"):
                with open(self.outside(f"/etc/{table}"), "a") as file:
                    file.write(line)

    def unpack(self, archives):
        for archive in archives:
            # dpkg -x would put a folder in the place of the symbolic link /lib
            content = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], check=True,
                                     stdout=subprocess.PIPE).stdout  # fmt: skip
            subprocess.run(["tar", "-x", "--keep-directory-symlink", "-C", self.root], check=True,
                           input=content)  # fmt: skip

    def configure(self):
        """Makes the folder and writes the settings."""
        raise NotImplementedError

    def command(self):
        """The command line of the server, which stays in the foreground."""
        raise NotImplementedError

    # --- what became of the mail ---

    def mail_folder(self, user):
        return self.outside(f"mail/{user}/Maildir/new")

    def mailbox(self, user):
        """The messages of USER, as bytes."""
        folder = self.mail_folder(user)
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        return [path.read_bytes() for path in files]


class Postfix(OtherServer):
    """Its defaults, with a configuration and a queue folder of its own.

    The daemons are not chrooted (that costs at their start only, and the folder would need parts of
    /etc). Nothing listens for its log, which spares Postfix that cost.
    """

    name = "postfix"
    daemons = "/usr/lib/postfix/sbin"

    services = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""
    settings = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
meta_directory = {folder}/etc
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.{domain}
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {mailboxes} }}
virtual_minimum_uid = 100
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
"""
    relaying = """
relayhost = [127.0.0.1]:{relay}
virtual_mailbox_limit = 0
message_size_limit = 50000000
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
"""
    queue_folders = (
        "active bounce corrupt defer deferred flush hold incoming private saved trace".split()
    )

    @classmethod
    def missing(cls, packages=None):
        if os.geteuid() != 0:
            return "needs root"
        return None if os.path.exists(cls.daemons + "/master") else "is not installed"

    def install(self, packages):
        """It is installed, or not to be had."""

    @property
    def environment(self):
        return {"MAIL_CONFIG": f"{self.folder}/etc"}

    def configure(self):
        self.make("etc")
        mailboxes = ", ".join(f"{user}@{self.domain}={user}/Maildir/" for user in self.users)
        settings = self.settings + (self.relaying if self.relay else "")
        services = self.services
        if self.relay:
            services += "postlog unix-dgram n - n - 1 postlogd\n"
        self.write("etc/main.cf", settings, daemons=self.daemons, mailboxes=mailboxes)
        self.write("etc/master.cf", services)
        self.write("etc/dynamicmaps.cf", "")
        self.make("queue")
        self.make("queue/pid")
        for name in self.queue_folders:
            self.make(f"queue/{name}", 0o700, "postfix", "root")
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            self.make(f"queue/{name}", mode, "postfix", "postdrop")
        self.make("data", 0o700, "postfix", "root")
        self.make("mail", 0o755, "nobody", "nogroup")

    def command(self):
        return [self.daemons + "/master", "-s", "-c", f"{self.folder}/etc"]


class PostfixProvider(Postfix):
    """Postfix as a provider's server: mail from users by STARTTLS on the port SUBMISSION and by TLS
    from the start on SUBMISSIONS, for who has a password of Cyrus SASL's own database."""

    users_services = """
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{submissions} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
tlsmgr unix - - n 1000? 1 tlsmgr
"""
    users_settings = """
smtpd_tls_chain_files = {folder}/etc/tls.pem
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = {domain}
smtpd_sasl_authenticated_header = yes
smtpd_tls_received_header = yes
"""
    sasl_settings = """pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {folder}/etc/sasl/sasldb2
mech_list: PLAIN LOGIN
"""

    def __init__(self, *arguments, submission, submissions, certificate, logins):
        """CERTIFICATE is (chain, key) in PEM; LOGINS maps a user's name to the password."""
        super().__init__(*arguments)
        self.submission, self.submissions = submission, submissions
        self.certificate, self.logins = certificate, logins

    @classmethod
    def missing(cls, packages=None):
        if not os.path.exists("/usr/sbin/saslpasswd2"):
            return "has no SASL here: sasl2-bin is not installed"
        return super().missing(packages)

    def add(self, path, text):
        before = self.outside(path).read_text()
        added = text.format(folder=self.folder, domain=self.domain, submission=self.submission,
                            submissions=self.submissions)
        self.outside(path).write_text(before + added)

    def configure(self):
        super().configure()
        self.add("etc/master.cf", self.users_services)
        self.add("etc/main.cf", self.users_settings)
        chain, key = self.certificate
        self.outside("etc/tls.pem").write_bytes(key + chain)
        self.make("etc/sasl")  # Debian's Postfix looks for it beside its own settings
        self.write("etc/sasl/smtpd.conf", self.sasl_settings)
        database = self.outside("etc/sasl/sasldb2")
        for user, password in self.logins.items():
            line = ["saslpasswd2", "-p", "-c", "-f", database, "-u", self.domain, user]
            subprocess.run(line, check=True, input=password.encode())
        os.chown(database, self.ids("passwd", "postfix"), self.ids("group", "postfix"))


class Exim(OtherServer):
    name = "exim"
    packages = ("exim4-base", "exim4-daemon-light")
    accounts = {"Debian-exim": 64201}

    settings = r"""
primary_hostname = mail.{domain}
spool_directory = {folder}/spool
log_file_path = {folder}/spool/log-%s
pid_file_path =
keep_environment =
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
message_size_limit = 50M
smtputf8_advertise_hosts = *
tls_advertise_hosts =
acl_smtp_rcpt = accept_all
recipients_max = 1000
smtp_accept_max_per_connection = 1000
disable_ipv6

begin acl
accept_all:
  accept

begin routers
here:
  driver = accept
  domains = {domain}
  local_parts = lsearch;{folder}/users
  transport = maildir
out:
  driver = manualroute
  domains = ! {domain}
  transport = smtp
  route_list = * 127.0.0.1::{relay}
  self = send

begin transports
maildir:
  driver = appendfile
  directory = {folder}/mail/$local_part_data/Maildir
  maildir_format
  create_directory
  user = nobody
  group = nogroup
  return_path_add
  delivery_date_add
  envelope_to_add
smtp:
  driver = smtp
  allow_localhost

begin retry
* * F,1h,1m
"""

    def configure(self):
        self.make("spool", 0o750, "Debian-exim")
        self.make("mail", 0o755, "nobody", "nogroup")
        self.make("/etc/exim4")
        self.write("/etc/exim4/exim4.conf", self.settings)
        self.write("users", "".join(f"{user}: {user}\n" for user in self.users))

    def command(self):
        return ["/usr/sbin/exim4", "-bdf", "-q1m"]


class OpenSMTPD(OtherServer):
    name = "opensmtpd"
    packages = ("opensmtpd",)
    accounts = {"opensmtpd": 64202, "opensmtpq": 64203}

    settings = """
smtp max-message-size 50M
listen on 127.0.0.1 port {port} hostname mail.{domain}
table users {{ "@" = "nobody" }}
action "here" maildir "{folder}/mail/%{{rcpt.user}}/Maildir" virtual <users>
action "out" relay host smtp://127.0.0.1:{relay}
match from any for domain "{domain}" action "here"
match from any for any action "out"
"""

    def configure(self):
        self.make("mail", 0o755, "nobody", "nogroup")
        self.make("/var/empty", 0o755)
        self.make("/var/spool/smtpd", 0o711)
        self.write("/etc/smtpd.conf", self.settings)

    def command(self):
        return ["/usr/sbin/smtpd", "-d"]


class Dovecot(OtherServer):
    """Its LMTP service, with two sockets (lmtp-system for the user of our deliveries, lmtp-nobody for
    nobody) and a port. FULL, one of the users, has no room left.

    Its programs are where they are installed; else they are unpacked into ROOT and lie over /usr in a
    mount namespace of its own, so that its sockets are in the folder that everybody sees.
    """

    name = "dovecot"
    packages = ("dovecot-lmtpd",)
    program = "/usr/sbin/dovecot"

    settings = """
base_dir = {folder}/run
state_dir = {folder}/run/state
log_path = {folder}/log
protocols = lmtp
listen = 127.0.0.1
ssl = no
hostname = mail.{domain}
default_internal_user = daemon
default_internal_group = daemon
default_login_user = bin
mail_location = maildir:~/Maildir
mail_plugins = quota
plugin {{
  quota = maildir:here
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {folder}/users
}}
service lmtp {{
  unix_listener {folder}/lmtp-system {{
    mode = 0600
    user = {remote}
  }}
  unix_listener {folder}/lmtp-nobody {{
    mode = 0600
    user = nobody
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""

    def __init__(self, *arguments, remote, full=(), **more):
        super().__init__(*arguments, **more)
        self.remote, self.full = remote, full

    @classmethod
    def is_installed(cls):
        return os.path.exists(cls.program) and os.path.exists("/usr/lib/dovecot/lmtp")

    @classmethod
    def missing(cls, packages):
        if os.geteuid() == 0 and cls.is_installed():
            return None
        return super().missing(packages)

    def outside(self, path=""):
        return self.folder / path

    def install(self, packages):
        """Into ROOT, where nothing of another machine is."""
        if self.is_installed():
            return
        for name in ("usr/lib", "usr/bin", "usr/sbin"):
            (self.root / name).mkdir(parents=True)
            (self.root / Path(name).name).symlink_to(name)
        packages = Path(packages)
        self.unpack([*packages.glob("dovecot-*.deb"), *packages.glob("lib*.deb")])

    def configure(self):
        for name in ("run", "mail"):
            (self.folder / name).mkdir(parents=True)
        os.chown(self.folder / "mail", NOBODY, NOBODY)
        self.write("dovecot.conf", self.settings, remote=self.remote)
        lines = [f"{user}::{NOBODY}:{NOBODY}::{self.folder}/mail/{user}::"
                 + ("userdb_quota_rule=*:bytes=1" if user in self.full else "")
                 for user in self.users]  # fmt: skip
        self.write("users", "\n".join(lines) + "\n")

    def command(self):
        line = [self.program, "-F", "-c", f"{self.folder}/dovecot.conf"]
        if self.is_installed():
            return line
        lay_over = 'mount -t overlay overlay -o ro,lowerdir="$0/usr:/usr" /usr && exec "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", lay_over, self.root,
                *line]  # fmt: skip
