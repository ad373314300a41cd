#!/bin/bash
# Installs what the tests with real servers and clients need, on Debian 12, as root.
# Quick when everything is there; starts no service and changes no configuration.
# `tests/setup.sh --thunderbird` adds what the Thunderbird run needs, which is large.
set -euo pipefail

packages=(
  dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-submissiond
  dovecot-managesieved postfix
  curl isync swaks libauthen-sasl-perl libnet-ssleay-perl msmtp fetchmail getmail6 neomutt offlineimap3
  openssl gnutls-bin libnss3-tools tshark python3 procps coreutils
)
[ "${1:-}" != --thunderbird ] || packages+=(thunderbird xvfb)

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$state" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} = 0 ]; then
  echo "tests/setup.sh: everything is installed"
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo "tests/setup.sh: missing: ${missing[*]}. Run this as root, or: apt install ${missing[*]}" >&2
  exit 1
fi

# Packages of servers start them when they are installed, unless this file says no. One that is already there stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
debconf-set-selections <<'ANSWERS'
postfix postfix/main_mailer_type select No configuration
wireshark-common wireshark-common/install-setuid boolean false
msmtp msmtp/apparmor boolean false
ANSWERS
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
