#!/bin/sh
# Quell's way to the keys of one host: the forced command of Quell's account, and the
# only thing that account can run. `plane.sh PLANE.CONF WORDS`; the first word is what
# is asked. It looks, it takes away, and it puts back what it took away. It gives
# nobody access who had none: the one key it may write goes into the place of keys that
# it set aside, with their options. Every answer ends with the line `end`.
set -uf
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 077

# KRL KEYS PRINCIPALS STORE LOG ISSUED SSHD CONFIG PIDFILE OWN CONTROL SCOPE PROTECTED
. "$1"
words=${2-}

say() { printf '%s\n' "$*"; }
answer() { say "$*"; say end; exit 0; }
text64() { printf '%s' "$1" | base64 -w0; }

# `keys deploy BASE64`, `-` where there is none, `!` where it cannot be read.
file() {
  if [ ! -e "$3" ]; then say "$1 $2 -"
  elif bytes=$(base64 -w0 <"$3" 2>/dev/null); then say "$1 $2 =$bytes"
  else say "$1 $2 !"; fi
}

settings() {
  all=$("$SSHD" -T -f "$CONFIG" -C "user=$1,host=quell.invalid,addr=127.0.0.1" 2>&1) || all="failed $all"
  say "settings $1 $(printf '%s' "$all" | grep -E '^(failed|revokedkeys|authorizedkeysfile|authorizedkeyscommand|trustedusercakeys|authorizedprincipalsfile|authorizedprincipalscommand|pubkeyauthentication|passwordauthentication|kbdinteractiveauthentication|gssapiauthentication|hostbasedauthentication|forcecommand) ' | base64 -w0)"
}

# Whether the list is one that sshd can read and that can be added to.
krl_is() {
  if [ ! -e "$KRL" ]; then echo missing
  elif ! head -c 1 "$KRL" >/dev/null 2>&1; then echo unreadable
  elif [ "$(head -c 6 "$KRL")" != SSHKRL ]; then echo other
  elif ssh-keygen -Q -l -f "$KRL" >/dev/null 2>&1; then echo ok
  else echo unreadable; fi
}

# A process's fields after its name, which may hold anything.
stat_of() { stat=$(cat "/proc/$1/stat" 2>/dev/null) && printf '%s' "${stat##*) }"; }
start_of() { fields=$(stat_of "$1") || return 1; set -- $fields; printf '%s' "${20}"; }
parent_of() { fields=$(stat_of "$1") || return 1; set -- $fields; printf '%s' "$2"; }
children_of() { cat /proc/"$1"/task/"$1"/children 2>/dev/null; }

listener() {
  pid=$(cat "$PIDFILE" 2>/dev/null) || pid=
  case $pid in '' | *[!0-9]*) return 1 ;; esac
  [ -e "/proc/$pid/stat" ] && printf '%s' "$pid"
}

# sshd's own process, and not one that somebody gave its name. What may not be looked at
# is not said to be another.
is_sshd() {
  exe=$(readlink "/proc/$1/exe" 2>/dev/null) || return 0
  case ${exe% (deleted)} in "$SSHD" | */sshd | */sshd-session) return 0 ;; *) return 1 ;; esac
}

# What sshd wrote as the title of process $1, without its own name.
title_of() {
  title=$(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null) || return 1
  case $title in sshd:\ * | sshd-session:\ *) printf '%s' "${title#*: }" ;; *) return 1 ;; esac
}

# Whether process $1 is the first of a connection: the listener made it, or made it before
# it was restarted, so that it hangs elsewhere now.
is_first() {
  up=$(parent_of "$1") || return 1
  [ "$up" = "$main" ] || ! title_of "$up" >/dev/null
}

# The account that is logged in by the connection of process $1; nothing before that.
account_of() {
  for one in $(children_of "$1") "$1"; do
    title=$(title_of "$one") || continue
    case $title in *'[priv]'* | *'[net]'* | *'[accepted]'* | *'[listener]'* | *'[preauth]'*) continue ;; esac
    is_sshd "$one" || continue
    title=${title%% *}
    printf '%s' "${title%%@*}"
    return 0
  done
  return 1
}

connections() {
  main=$(listener) || { say "listener none"; return; }
  say "listener $main"
  booted=$(grep '^btime ' /proc/stat); booted=${booted#btime }
  ticks=$(getconf CLK_TCK)
  set +f
  titled=$(grep -alE '^sshd(-session)?: ' /proc/[0-9]*/cmdline 2>/dev/null)
  set -f
  for conn in $titled; do
    conn=${conn#/proc/}; conn=${conn%/cmdline}
    is_first "$conn" && who=$(account_of "$conn") && [ -n "$who" ] || continue
    start=$(start_of "$conn") || continue
    say "connection $conn $start $((booted + start / ticks)) $who"
  done
  me=$$
  while [ "$me" -gt 1 ]; do
    up=$(parent_of "$me") || break
    if [ "$up" = "$main" ]; then say "mine $me"; break; fi
    me=$up
  done
}

look() {
  say "plane 1"
  say "now $(date +%s)"
  say "scope $(text64 "$SCOPE")"
  say "protected $(text64 "$PROTECTED")"
  state=$(krl_is)
  say "krl $state $(ssh-keygen -Q -l -f "$KRL" 2>/dev/null | base64 -w0)"
  accounts=$1
  [ "$accounts" != all ] || accounts=$SCOPE
  say "paths $(text64 "$KRL") $(text64 "$KEYS/%u") $(text64 "$PRINCIPALS/%u")"
  seen=0
  for a in $OWN $CONTROL $accounts; do
    seen=$((seen + 1))
    [ $seen -gt 52 ] || settings "$a"
  done
  for a in $CONTROL $accounts; do
    file keys "$a" "$KEYS/$a"
    file principals "$a" "$PRINCIPALS/$a"
    file aside-keys "$a" "$STORE/$a.keys"
    file aside-principals "$a" "$STORE/$a.principals"
    file had "$a" "$STORE/$a.had"
    file dropped "$a" "$STORE/$a.dropped"
  done
  # Where else a key of the account stands.
  for a in $SCOPE; do case " $accounts " in *" $a "*) ;; *) file keys "$a" "$KEYS/$a" ;; esac; done
  file refused "$CONTROL" "$STORE/refused.pub"
  authorities=$("$SSHD" -T -f "$CONFIG" -C "user=$CONTROL,host=quell.invalid,addr=127.0.0.1" 2>/dev/null | grep '^trustedusercakeys ')
  file authorities all "${authorities#trustedusercakeys }"
  file issued all "$ISSUED"
  # What was let in by a certificate: the log is the only one who knows of it.
  if [ -r "$LOG" ]; then say "log all =$(tail -c 4194304 "$LOG" | grep -a 'Accepted publickey for .*-CERT .* ID .* CA ' | tail -n 2000 | base64 -w0)"
  elif command -v journalctl >/dev/null && lines=$(journalctl -q -o cat --no-pager -n 20000 -t sshd -t sshd-session 2>/dev/null); then
    say "log all =$(printf '%s' "$lines" | grep -a 'Accepted publickey for .*-CERT .* ID .* CA ' | tail -n 2000 | base64 -w0)"
  else say "log all -"; fi
  connections
  say end
}

# Refuses what is not an account that Quell may treat.
treatable() {
  case $1 in '' | -* | .* | *[!A-Za-z0-9_.-]*) answer "refused such an account is not named: it has other characters than letters, digits, dots, dashes and underscores" ;; esac
  case " $OWN $CONTROL root $PROTECTED " in *" $1 "*) answer "refused the account is protected on the host" ;; esac
  case " $SCOPE " in *" $1 "*) ;; *) answer "refused the account is not in the scope of Quell; run \`quell connector bootstrap\` with it in \`--scope\`" ;; esac
}

fingerprint_is() { case ${1#SHA256:} in "$1" | '' | *[!A-Za-z0-9+/]*) answer "refused a fingerprint is \`SHA256:\` and base 64" ;; esac; }

lock() {
  exec 9>"$STORE/lock" || answer "refused the lock \`$STORE/lock\` cannot be written"
  flock -w 5 9 || answer busy
}

# Puts $2 into the place of $1 in one step, with the owner and mode that $1 had.
replace() {
  chown --reference="$1" "$2" 2>/dev/null
  chmod --reference="$1" "$2" 2>/dev/null || chmod 644 "$2"
  sync "$2" && mv -f "$2" "$1"
}

new_for() { half="$1.quell-half"; : >"$half" || answer "refused \`$1\` cannot be written"; }

# Adds a key, and a serial of an authority, to the list. Nothing here takes one out.
revoke() {
  fingerprint_is "$2"
  state=$(krl_is)
  case $state in
    ok) ;;
    missing | unreadable) answer "refused the list \`$KRL\` is $state, so sshd lets nobody in with a key; put it back (\`$STORE/krl.last\` is the last that Quell wrote)" ;;
    *) answer "refused \`$KRL\` is a list of keys and no KRL; make it one: ssh-keygen -k -f $KRL.new $KRL && mv $KRL.new $KRL" ;;
  esac
  spec="$STORE/spec"
  say "hash: $2" >"$spec"
  authority=none
  if [ "$3" != - ]; then
    case $3 in *[!0-9]* | 0*) answer "refused a serial is a number above 0" ;; esac
    fingerprint_is "$4"
    say "serial: $3" >>"$spec"
    trusted=$("$SSHD" -T -f "$CONFIG" -C "user=$1,host=quell.invalid,addr=127.0.0.1" 2>/dev/null | grep '^trustedusercakeys ')
    authority="$STORE/authority"
    rm -f "$authority"
    while IFS= read -r line || [ -n "$line" ]; do
      print=$(printf '%s\n' "$line" | ssh-keygen -lf - 2>/dev/null) || continue
      case " $print " in *" $4 "*) printf '%s\n' "$line" >"$authority" ;; esac
    done <"${trusted#trustedusercakeys }"
    [ -e "$authority" ] || answer "refused sshd trusts no authority with the key \`$4\`"
  fi
  new_for "$KRL"
  cat "$KRL" >"$half"
  version=$(ssh-keygen -Q -l -f "$KRL" | grep '^# KRL version ')
  ssh-keygen -q -k -u -f "$half" -s "$authority" -z $((${version##* } + 1)) "$spec" >/dev/null 2>&1 || answer "refused ssh-keygen could not add it to the list"
  # A list that refuses Quell or its control proves nothing any more, and locks them out.
  ssh-keygen -Q -f "$half" "$STORE/own.pub" "$STORE/control.pub" >/dev/null 2>&1 || { rm -f "$half"; answer "refused it is the key of Quell or of its control, or the list would refuse them"; }
  if [ "$(ssh-keygen -Q -l -f "$KRL" | grep -v '^#')" = "$(ssh-keygen -Q -l -f "$half" | grep -v '^#')" ]; then rm -f "$half"; answer "done same"; fi
  cp "$half" "$STORE/krl.last"
  replace "$KRL" "$half" || answer "refused \`$KRL\` cannot be replaced"
  answer "done changed"
}

# The lines of a file of keys that are not of the key $2; those that are go to $3.
without_key() {
  found=same
  new_for "$1"
  while IFS= read -r line || [ -n "$line" ]; do
    print=$(printf '%s\n' "$line" | ssh-keygen -lf - 2>/dev/null) || print=
    case " $print " in
      *" $2 "*) found=changed; printf '%s\n' "$line" >>"$3" ;;
      *) printf '%s\n' "$line" >>"$half" ;;
    esac
  done <"$1"
  if [ $found = same ]; then rm -f "$half"; else replace "$1" "$half"; fi
}

drop_key() {
  fingerprint_is "$2"
  was=same
  for keys in "$KEYS/$1" "$STORE/$1.keys"; do
    [ -e "$keys" ] || continue
    without_key "$keys" "$2" "$STORE/$1.dropped"
    [ $found = same ] || was=changed
  done
  answer "done $was"
}

drop_principal() {
  name=$(printf '%s' "$2" | base64 -d) || answer "refused a principal comes in base 64"
  was=same
  for names in "$PRINCIPALS/$1" "$STORE/$1.principals"; do
    [ -e "$names" ] || continue
    new_for "$names"
    NAME=$name TOOK="$STORE/took" awk 'BEGIN { printf "" >ENVIRON["TOOK"] } $NF == ENVIRON["NAME"] && $1 !~ /^#/ { print >ENVIRON["TOOK"]; next } { print }' "$names" >"$half"
    if [ -s "$STORE/took" ]; then
      cat "$STORE/took" >>"$STORE/$1.principals-dropped"
      replace "$names" "$half"
      was=changed
    else rm -f "$half"; fi
  done
  answer "done $was"
}

put_principal() {
  name=$(printf '%s' "$2" | base64 -d) || answer "refused a principal comes in base 64"
  [ -e "$PRINCIPALS/$1" ] || answer "refused the account has no list of principals"
  if NAME=$name awk '$NF == ENVIRON["NAME"] && $1 !~ /^#/ { found = 1 } END { exit !found }' "$PRINCIPALS/$1"; then answer "done same"; fi
  line=$(NAME=$name awk '$NF == ENVIRON["NAME"] { last = $0 } END { print last }' "$STORE/$1.principals-dropped" 2>/dev/null)
  [ -n "$line" ] || answer "refused Quell took no such principal from the account, so it puts none back"
  new_for "$PRINCIPALS/$1"
  { cat "$PRINCIPALS/$1"; printf '%s\n' "$line"; } >"$half"
  replace "$PRINCIPALS/$1" "$half"
  answer "done changed"
}

# Nobody logs in with a key or a certificate: both files are empty, their former content
# stands aside. What was written since is kept, too, and never put back.
suspend() {
  was=same
  for part in keys principals; do
    [ $part = keys ] && live="$KEYS/$1" || live="$PRINCIPALS/$1"
    aside="$STORE/$1.$part"
    [ -e "$live" ] || { : >"$live"; chmod 644 "$live"; }
    # What it had then, for the options of a new key; what is revoked leaves the other one.
    [ $part != keys ] || [ -e "$aside" ] || cat "$live" >"$STORE/$1.had"
    if [ ! -e "$aside" ]; then cp -p "$live" "$aside.half" && mv -f "$aside.half" "$aside"; was=changed; fi
    [ -s "$live" ] || continue
    cmp -s "$live" "$aside" || cat "$live" >>"$aside.since"
    new_for "$live"
    replace "$live" "$half"
    was=changed
  done
  answer "done $was"
}

# What stands aside comes back, but what was taken from it meanwhile.
restore() {
  [ -e "$STORE/$1.keys" ] && [ -e "$STORE/$1.principals" ] || answer "refused nothing of the account stands aside, so nothing is put back"
  for part in keys principals; do
    [ $part = keys ] && live="$KEYS/$1" || live="$PRINCIPALS/$1"
    new_for "$live"
    cat "$STORE/$1.$part" >"$half"
    replace "$live" "$half"
  done
  rm -f "$STORE/$1.keys" "$STORE/$1.principals" "$STORE/$1.had"
  answer "done changed"
}

# One new key in the place of those that the account had when it was suspended, with the
# options that all of them had. What stands aside goes where nothing is put back from.
reinstate() {
  key=$(printf '%s' "$2" | base64 -d) && options=$(printf '%s' "${3#=}" | base64 -d) || answer "refused a key comes in base 64"
  case $key in ssh-ed25519\ *[!A-Za-z0-9+/=]* | '') answer "refused it is no key of ed25519" ;; ssh-ed25519\ *) ;; *) answer "refused it is no key of ed25519" ;; esac
  new_for "$KEYS/$1"
  printf '%s%s\n' "$options" "$key" >"$half"
  if cmp -s "$half" "$KEYS/$1"; then rm -f "$half"; answer "done same"; fi
  [ -e "$STORE/$1.keys" ] && [ -e "$STORE/$1.had" ] || { rm -f "$half"; answer "refused the account is not suspended by Quell, so it gets no key"; }
  replaced=0
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in '' | \#*) continue ;; esac
    replaced=$((replaced + 1))
    case $line in "$options"ssh-* | "$options"ecdsa-* | "$options"sk-*) ;; *) rm -f "$half"; answer "refused the keys of the account differ in their options; write the new one by hand" ;; esac
  done <"$STORE/$1.had"
  [ $replaced -gt 0 ] || { rm -f "$half"; answer "refused the account had no key, so it gets none"; }
  replace "$KEYS/$1" "$half"
  cat "$STORE/$1.keys" >>"$STORE/$1.dropped"
  cat "$STORE/$1.principals" >>"$STORE/$1.principals-replaced"
  rm -f "$STORE/$1.keys" "$STORE/$1.principals" "$STORE/$1.had"
  answer "done changed"
}

kill_connection() {
  main=$(listener) || answer "refused sshd's \`PidFile\` \`$PIDFILE\` names no process"
  case $2$3 in *[!0-9]* | '') answer "refused a connection is a process and its start" ;; esac
  [ "$(start_of "$2")" = "$3" ] && is_first "$2" || answer "done same"
  [ "$(account_of "$2")" = "$1" ] || answer "refused the connection is not of the account any more"
  for one in $(children_of "$2"); do
    [ "$(parent_of "$one")" != "$2" ] || kill -KILL "$one" 2>/dev/null
  done
  kill -KILL "$2" 2>/dev/null
  looks=0
  while [ "$(start_of "$2")" = "$3" ] && fields=$(stat_of "$2") && [ "${fields%% *}" != Z ] && [ $looks -lt 100 ]; do
    looks=$((looks + 1)); sleep 0.02
  done
  [ $looks -lt 100 ] || answer "refused the process of the connection may not be ended"
  answer "done changed"
}

set -- $words
case ${1-} in
  look)
    [ "${2-all}" = all ] || case $2 in *[!A-Za-z0-9_.-]* | -* | .*) answer "refused such an account is not named" ;; esac
    look "${2-all}" ;;
  revoke | drop-key | drop-principal | put-principal | suspend | restore | reinstate | kill)
    treatable "${2-}"
    lock
    case $1 in
      revoke) revoke "$2" "${3-}" "${4--}" "${5--}" ;;
      drop-key) drop_key "$2" "${3-}" ;;
      drop-principal) drop_principal "$2" "${3-}" ;;
      put-principal) put_principal "$2" "${3-}" ;;
      suspend) suspend "$2" ;;
      restore) restore "$2" "${3-}" "${4-}" ;;
      reinstate) reinstate "$2" "${3-}" "${4-}" ;;
      kill) kill_connection "$2" "${3-}" "${4-}" ;;
    esac ;;
  *) answer "refused this account does nothing else" ;;
esac
