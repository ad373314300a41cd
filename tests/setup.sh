#!/bin/bash
# Installs what the tests with real servers and clients need, on Debian 12, as root.
# Quick when everything is there; starts no service and changes no configuration.
# `tests/setup.sh --thunderbird` adds what the Thunderbird run needs, which is large.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

packages=(
  dovecot-core dovecot-imapd dovecot-pop3d dovecot-lmtpd dovecot-submissiond
  dovecot-managesieved postfix
  curl isync libsasl2-modules swaks libauthen-sasl-perl libnet-ssleay-perl msmtp fetchmail getmail6 neomutt offlineimap3
  openssl gnutls-bin libnss3-tools tshark python3 procps coreutils
)
[ "${1:-}" != --thunderbird ] || packages+=(thunderbird xvfb)

# Exim, Courier and Cyrus cannot be installed beside Postfix and Dovecot, so they are unpacked into a folder of their own, as
# the root of a machine: with the libraries they need, from these packages or from this machine.
unpacked=(
  exim4-base exim4-daemon-heavy libspf2-2 libmariadb3 libpq5 libldap-2.5-0 libgnutls-dane0 libunbound8 libnsl2 libdb5.3
  courier-base courier-imap courier-pop courier-authlib courier-authdaemon courier-authlib-userdb
  libcourier-unicode4 libltdl7 gamin libgamin0 libgdbm6 libidn12 libpcre3
  cyrus-common cyrus-imapd cyrus-pop3d sasl2-bin libsasl2-2 libsasl2-modules libsasl2-modules-db
  libical3 libjansson4 libxapian30 libzephyr4 libhesiod0 libwrap0 libicu72 libxml2 libsqlite3-0 tzdata
)
servers=$here/target/servers

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$state" = "install ok installed" ] || missing+=("$package")
done
# What stands in `done` is what the folder was made from; it is written last.
made_from=$(sha256sum <"$0")
unpack=yes
[ "$(cat "$servers/done" 2>/dev/null)" != "$made_from" ] || unpack=
if [ ${#missing[@]} = 0 ] && [ -z "$unpack" ]; then
  echo "tests/setup.sh: everything is installed"
  exit 0
fi
if [ "$(id -u)" != 0 ]; then
  echo "tests/setup.sh: missing: ${missing[*]:-the unpacked servers}. Run this as root${missing:+, or: apt install ${missing[*]}}" >&2
  exit 1
fi

install_packages() {
  # Packages of servers start them when they are installed, unless this file says no. One that is already there stays.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  debconf-set-selections <<'ANSWERS'
postfix postfix/main_mailer_type select No configuration
wireshark-common wireshark-common/install-setuid boolean false
msmtp msmtp/apparmor boolean false
ANSWERS
  apt-get install -q -y --no-install-recommends "${missing[@]}"
}

unpack_servers() {
  local new=$servers/new root=$servers/new/root folder file
  rm -rf "$servers"
  mkdir -p "$new/packages" "$root"
  # A machine has one /usr, and the old places lead there.
  for folder in bin sbin lib lib64; do
    mkdir -p "$root/usr/$folder"
    ln -s "usr/$folder" "$root/$folder"
  done
  (cd "$new/packages" && apt-get download -q -o APT::Sandbox::User=root "${unpacked[@]}")
  for file in "$new"/packages/*.deb; do
    # Not dpkg-deb -x, which puts folders in place of the links.
    dpkg-deb --fsys-tarfile "$file" | tar -x --keep-directory-symlink -C "$root"
  done
  # The scanner for viruses needs a large library and is not run.
  rm -rf "$root/usr/lib/cyrus/bin/cyr_virusscan" "$root/usr/share/zoneinfo/"{posix,right}
  rm -rf "$new/packages" "$root"/usr/share/{doc,man,locale,lintian,bug} "$root/etc" "$root/var" "$root/run"
  cp --parents /usr/bin/sh "$root"
  add_libraries "$root"
  mv "$new/root" "$servers/root"
  rm -rf "$new"
  echo "$made_from" >"$servers/done"
}

# Copies what the programs and modules below a root are linked with and what is not there yet.
add_libraries() {
  local root=$1 list
  local path=$root/usr/lib/x86_64-linux-gnu:$root/usr/lib:$root/usr/lib/courier-authlib
  # An object of another kind, or a script, is no program for ldd, which says so and ends with 1.
  list=$(find "$root/usr" -type f \( -perm -u+x -o -name '*.so*' \) -exec env LD_LIBRARY_PATH="$path" ldd {} + 2>/dev/null || true)
  if grep -q 'not found' <<<"$list"; then
    echo "tests/setup.sh: the unpacked servers lack libraries:" >&2
    grep 'not found' <<<"$list" | sort -u >&2
    exit 1
  fi
  awk '$2 == "=>" { print $3 } $1 ~ "^/lib64/" { print $1 }' <<<"$list" | sort -u | while read -r library; do
    [[ $library = "$root"/* || -e $root/$library ]] || cp -L --parents "$library" "$root"
  done
}

if [ ${#missing[@]} != 0 ]; then
  apt-get update -q
  install_packages
fi
if [ -n "$unpack" ]; then
  [ ${#missing[@]} != 0 ] || apt-get update -q
  unpack_servers
fi
