#!/bin/sh
# Makes the secrets of docker-compose.yml: ops/make-secrets.sh mail.example.com [folder]
# What is there already stays as it is, so it may be run again. Put what providers gave you into the empty files.
set -eu
host=${1:?the name under which clients reach this system, such as mail.example.com}
folder=${2:-secrets}

# The folder keeps others out; in containers, whose users are not this one, the files have to be readable.
umask 022
mkdir -p "$folder"
chmod 0700 "$folder"
cd "$folder"

random() { openssl rand -hex 24; }
# make NAME [empty]: standard input becomes the secret, unless there is one.
make() {
  if [ -e "$1" ]; then cat >/dev/null; else
    cat >".$1.new"
    [ -s ".$1.new" ] || [ "${2:-}" = empty ] || { echo "$1 could not be made" >&2 && exit 1; }
    chmod 0444 ".$1.new"
    mv ".$1.new" "$1"
  fi
}

random | make postgres_password
printf 'postgres://postroom:%s@postgresql:5432/postroom\n' "$(cat postgres_password)" | make database_url
random | make rabbitmq_password
printf 'default_user = postroom\ndefault_pass = %s\n' "$(cat rabbitmq_password)" | make rabbitmq_credentials
printf 'amqp://postroom:%s@rabbitmq:5672/\n' "$(cat rabbitmq_password)" | make rabbitmq_url
random | make keydb_password
random | make grafana_password
openssl rand -base64 32 | make encryption_key
[ -e jwt_private_key ] || openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 2>/dev/null | make jwt_private_key
for given in sendgrid_api_key microsoft_client_secret smtp_password line_channel_access_token line_channel_secret pms_api_key; do
  make "$given" empty </dev/null
done

# Until there is a real one: certificate, chain and key in one file.
if [ ! -e tls ]; then
  openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj "/CN=$host" -addext "subjectAltName=DNS:$host" \
    -keyout .tls.key -out .tls.crt 2>/dev/null
  cat .tls.crt .tls.key | make tls
  rm .tls.crt .tls.key
  echo "secrets/tls signs itself: replace it by a certificate for $host, with its chain and key, in PEM." >&2
fi
