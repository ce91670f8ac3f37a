#!/bin/sh
# Run once on the host as root, and again after an upgrade or with further accounts in
# `--scope`: what is there stays. It makes two accounts without a password, moves the
# keys of the accounts in scope to where those accounts cannot write, and gives Quell
# one command. sshd is asked whether it takes the new settings before it is told of them.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
OWN=@OWN@
CONTROL=@CONTROL@
SCOPE='@SCOPE@'
PROTECTED='@PROTECTED@'
: "${ETC:=/etc/ssh/quell}" "${COMMAND:=/usr/local/libexec/quell-plane}" "${SSHD:=/usr/sbin/sshd}"
: "${CONFIG:=/etc/ssh/sshd_config}" "${DROP_IN:=/etc/ssh/sshd_config.d/10-quell.conf}"
: "${LOG:=/var/log/auth.log}" "${ISSUED:=$ETC/issued}"

for tool in ssh-keygen base64 flock awk getconf; do
  command -v "$tool" >/dev/null || { echo "quell: \`$tool\` is missing on this host" >&2; exit 1; }
done
root=no; [ "$(id -u)" != 0 ] || root=yes
for account in "$OWN" "$CONTROL"; do
  getent passwd "$account" >/dev/null && continue
  [ $root = yes ] || { echo "quell: the account \`$account\` is missing, and only root makes one" >&2; exit 1; }
  useradd --system --no-create-home --home-dir / --shell /bin/sh "$account"
  usermod -p '*' "$account"
done

mkdir -p "$ETC/keys" "$ETC/principals" "$ETC/store" "$(dirname "$COMMAND")"
chmod 755 "$ETC" "$ETC/keys" "$ETC/principals"
chmod 700 "$ETC/store"
for account in $SCOPE; do
  getent passwd "$account" >/dev/null || { echo "quell: \`$account\` of the scope is no account of this host" >&2; exit 1; }
  home=$(getent passwd "$account" | cut -d: -f6)
  if [ ! -e "$ETC/keys/$account" ]; then
    : >"$ETC/keys/$account.half"
    for file in $("$SSHD" -T -f "$CONFIG" -C "user=$account,host=quell.invalid,addr=127.0.0.1" | sed -n 's/^authorizedkeysfile //p'); do
      file=$(printf '%s' "$file" | sed "s#%u#$account#g; s#%h#$home#g")
      case $file in none) continue ;; /*) ;; *) file=$home/$file ;; esac
      [ ! -f "$file" ] || [ -L "$file" ] || cat "$file" >>"$ETC/keys/$account.half"
    done
    chmod 644 "$ETC/keys/$account.half"
    mv "$ETC/keys/$account.half" "$ETC/keys/$account"
  fi
  if [ ! -e "$ETC/principals/$account" ]; then
    file=$("$SSHD" -T -f "$CONFIG" -C "user=$account,host=quell.invalid,addr=127.0.0.1" | sed -n 's/^authorizedprincipalsfile //p')
    file=$(printf '%s' "$file" | sed "s#%u#$account#g; s#%h#$home#g")
    # Without such a file sshd takes the account's own name as the principal.
    if [ -f "$file" ]; then cat "$file" >"$ETC/principals/$account"; else echo "$account" >"$ETC/principals/$account"; fi
    chmod 644 "$ETC/principals/$account"
  fi
done

printf '%s\n' '@OWN_KEY@' >"$ETC/store/own.pub"
printf '%s\n' '@CONTROL_KEY@' >"$ETC/store/control.pub"
cp "$ETC/store/own.pub" "$ETC/own"
# A second key of the control that is always in the list: sshd must refuse it, or it does
# not go by the list. Its private half is thrown away.
if [ ! -e "$ETC/store/refused.pub" ]; then
  rm -f "$ETC/store/refused"
  ssh-keygen -q -t ed25519 -N '' -C quell-refused -f "$ETC/store/refused"
  rm -f "$ETC/store/refused"
fi
cat "$ETC/store/control.pub" "$ETC/store/refused.pub" >"$ETC/keys/$CONTROL"
echo "$CONTROL" >"$ETC/principals/$CONTROL"
chmod 644 "$ETC/own" "$ETC/keys/$CONTROL" "$ETC/principals/$CONTROL"
[ -e "$ETC/krl" ] || { ssh-keygen -q -k -f "$ETC/krl.half" /dev/null && chmod 644 "$ETC/krl.half" && mv "$ETC/krl.half" "$ETC/krl"; }
cp "$ETC/krl" "$ETC/krl.half"
ssh-keygen -q -k -u -f "$ETC/krl.half" "$ETC/store/refused.pub" >/dev/null
chmod 644 "$ETC/krl.half"
mv "$ETC/krl.half" "$ETC/krl"
[ -e "$ETC/store/krl.last" ] || cp "$ETC/krl" "$ETC/store/krl.last"

cat >"$COMMAND" <<'QUELL_PLANE'
@PLANE@
QUELL_PLANE
chmod 755 "$COMMAND"
pid_file=$("$SSHD" -T -f "$CONFIG" | sed -n 's/^pidfile //p')
cat >"$ETC/plane.conf" <<QUELL_CONF
KRL='$ETC/krl' KEYS='$ETC/keys' PRINCIPALS='$ETC/principals' STORE='$ETC/store' LOG='$LOG' ISSUED='$ISSUED'
SSHD='$SSHD' CONFIG='$CONFIG' PIDFILE='$pid_file' OWN='$OWN' CONTROL='$CONTROL' SCOPE='$SCOPE' PROTECTED='$PROTECTED'
QUELL_CONF
run="$COMMAND $ETC/plane.conf \"\$SSH_ORIGINAL_COMMAND\""
if [ $root = yes ]; then
  command -v sudo >/dev/null || { echo "quell: \`sudo\` is missing on this host" >&2; exit 1; }
  printf '%s ALL=(root) NOPASSWD: %s %s/plane.conf *\n' "$OWN" "$COMMAND" "$ETC" >/etc/sudoers.d/quell.half
  chmod 440 /etc/sudoers.d/quell.half
  visudo -cqf /etc/sudoers.d/quell.half
  mv /etc/sudoers.d/quell.half /etc/sudoers.d/quell
  run="sudo -n $run"
fi
users=$(printf '%s' "$CONTROL $SCOPE" | tr -s ' ' ',')
# The list of refused keys does not bind Quell's own way in: where it is missing, sshd
# lets in nobody with a key, and somebody must be able to say so. `none` would not do:
# in a Match block sshd takes it for the name of a file (measured on 9.2).
cat >"$DROP_IN.half" <<QUELL_SSHD
Match User $OWN
  AuthorizedKeysFile $ETC/own
  AuthorizedPrincipalsFile /dev/null
  TrustedUserCAKeys /dev/null
  RevokedKeys /dev/null
  AuthenticationMethods publickey
  ForceCommand $run
  DisableForwarding yes
  PermitTTY no
Match User $users
  AuthorizedKeysFile $ETC/keys/%u
  AuthorizedPrincipalsFile $ETC/principals/%u
  RevokedKeys $ETC/krl
Match User $CONTROL
  ForceCommand /bin/false
  DisableForwarding yes
  PermitTTY no
QUELL_SSHD
mv "$DROP_IN.half" "$DROP_IN"
"$SSHD" -t -f "$CONFIG"
kill -HUP "$(cat "$pid_file")"
echo "quell: the accounts in scope are: $SCOPE"
