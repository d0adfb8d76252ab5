#!/bin/sh
# Installs, upgrades, removes and purges the packages in /packages/1.0.0 and
# /packages/1.1.0. Runs as a service of a Debian with nothing else. The first command that
# fails ends it.
set -eux

installed() { DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --install /packages/"$1"/*.deb; }
state() { systemctl is-active zauth || true; }
pid() { systemctl show --property=MainPID --value zauth; }
fails() { if "$@"; then exit 1; fi; }
owned() { stat --format='%U:%G %a' "$@"; }
files() { find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/log/journal \) -prune -o -print | sort; }
trap 'systemctl status zauth || true; journalctl --unit=zauth --no-pager || true' EXIT

files >/tmp/before

# Installed: zauth runs as its own user, and admits nobody.
installed 1.0.0
[ "$(state)" = active ]
[ "$(systemctl is-enabled zauth)" = enabled ]
[ "$(stat --format=%U /proc/"$(pid)")" = zauth ]
[ "$(owned /run/zauth/socket)" = 'zauth:zauth 660' ]
[ "$(owned /etc/zauth)" = 'root:zauth 750' ]
[ "$(owned /etc/zauth/policy.zpl)" = 'zauth:root 400' ]
fails runuser --user nobody -- cat /etc/zauth/policy.zpl
fails runuser --user nobody --supp-group zauth -- cat /etc/zauth/policy.zpl
runuser --user nobody --supp-group zauth -- cat /etc/zauth/zauth.conf
zauth --version | grep '^zauth v1\.0\.0, '
cd /tmp
zcert gen alice
fails zauth decide --policy /etc/zauth/policy.zpl --cert alice.key
cp alice.key /etc/zauth/clients/
zauth decide --policy /etc/zauth/policy.zpl --cert alice.key | grep '^200 OK$'
runuser --user zauth -- cat /etc/zauth/clients/alice.key

# A client that was refused is admitted by its key, where the comments say so.
sed -i 's/^#admit-to/admit-to/' /etc/zauth/zauth.conf
sed -i 's/^\( *\)#keystore/\1keystore/' /etc/zauth/policy.zpl
systemctl restart zauth
zcert gen bob
zauth admit "$(zcert pubkey bob.key)" --name bob
zauth decide --policy /etc/zauth/policy.zpl --cert bob.key | grep '^200 OK$'
systemctl reload zauth
[ "$(state)" = active ]
zauth status
fails runuser --user nobody -- zauth status --control ipc:///run/zauth/control
rm /var/lib/zauth/admitted/bob.key
sed -i 's/^\( *\)keystore = dir:\/var/\1#keystore = dir:\/var/' /etc/zauth/policy.zpl

# zauth serves other machines with a certificate that is made as the comments say.
cd /etc/zauth
cp -p zauth.conf policy.zpl /tmp/
mkdir services
sed -n 's/^#     //p' zauth.conf >/tmp/commands.sh
sh -eux /tmp/commands.sh
sed -i -e 's/^#listen/listen/' -e 's/^#cert/cert/' zauth.conf
printf '\nsecurity\n    domain = zauth\n    curve = 1\n        keystore = dir:services\n' >>policy.zpl
systemctl restart zauth
[ "$(state)" = active ]
zcert probe tcp://127.0.0.1:9127 --expect curve
cp -p /tmp/zauth.conf /tmp/policy.zpl .
rm -r services zauth.key zauth.key_secret
cd /tmp

# Upgraded: the file that was changed stays, the other one is new, and zauth restarts.
echo '# of the operator' >>/etc/zauth/zauth.conf
touch /var/lib/zauth/state
before=$(pid)
installed 1.1.0
[ "$(state)" = active ]
[ "$(pid)" != "$before" ]
zauth --version | grep '^zauth v1\.1\.0, '
grep '^# of the operator$' /etc/zauth/zauth.conf
fails grep '^# new in 1\.1\.0$' /etc/zauth/zauth.conf
grep '^# new in 1\.1\.0$' /etc/zauth/zauth.conf.dpkg-dist
grep '^# new in 1\.1\.0$' /etc/zauth/policy.zpl
[ "$(owned /etc/zauth)" = 'root:zauth 750' ]
[ "$(owned /etc/zauth/policy.zpl)" = 'zauth:root 400' ]
[ -e /var/lib/zauth/state ]

# A service that was disabled stays so.
systemctl disable --now zauth
installed 1.0.0
[ "$(state)" = inactive ]
fails systemctl is-enabled zauth
systemctl enable --now zauth

# Removed: what was configured and remembered stays, and counts when zauth returns.
dpkg --remove zauth
[ "$(state)" = inactive ]
[ ! -e /usr/bin/zauth ]
[ ! -e /run/zauth ]
[ -e /etc/zauth/policy.zpl ]
[ -e /var/lib/zauth/state ]
installed 1.1.0
[ "$(state)" = active ]
grep '^# of the operator$' /etc/zauth/zauth.conf

# Purged: only what the operator added stays.
dpkg --purge zauth 2>&1 | grep 'keeping /etc/zauth'
[ "$(find /etc/zauth -type f)" = /etc/zauth/clients/alice.key ]
[ ! -e /var/lib/zauth ]
[ ! -e /var/log/zauth ]

# Purged with nothing added: nothing stays but the user.
rm /etc/zauth/clients/alice.key
installed 1.1.0
[ "$(state)" = active ]
dpkg --purge zauth zcert
getent passwd zauth
files >/tmp/after
diff /tmp/before /tmp/after | grep '^[<>]' | grep -v -e ' /var/log/dpkg.log$' -e ' /etc/passwd-$' -e ' /etc/group-$' -e ' /etc/shadow-$' -e ' /etc/gshadow-$' -e ' /etc/.pwd.lock$' -e ' /etc/subuid-$' -e ' /etc/subgid-$' >/tmp/unexpected || true
cat /tmp/unexpected
[ ! -s /tmp/unexpected ]

trap - EXIT
echo 'lifecycle: done'
