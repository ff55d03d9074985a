/**
 * Members, by the ten thousand. `draw(n, salt)` is a number from 0 to 1 that follows from the seed alone, so that the
 * same seed makes the same people, whatever the server's random numbers are.
 */

export const defineDraw = (seed: number) => `
  CREATE FUNCTION pg_temp.draw(n bigint, salt int) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (hashint8extended(n, ${seed}::bigint * 1000003 + salt) & 9007199254740991) / 9007199254740992.0::float8
  $$`;

/** Elements of an array, by chance. */
const pick = (list: string, n: string, salt: number) =>
  `(${list})[1 + floor(pg_temp.draw(${n}, ${salt}) * cardinality(${list}))::int]`;

/**
 * Members $1 to $2 of $3, with ids from $4 on, until $5. Over three years, more and more of them. More than half came by LINE;
 * the rest have been entered, or came from the PMS, and have an id number: $6 for members whose places are in $7, hashes $8.
 */
export const insertMembers = `
  INSERT INTO members (id, line_uid, line_display_name, line_picture_url, first_name, last_name, gender, birthday, email, phone,
                       id_number, id_number_hash, source, accept_marketing, notes, friended_at, blocked_at, created_at,
                       last_interaction_at, updated_at)
  OVERRIDING SYSTEM VALUE
  SELECT $4::bigint + n, CASE WHEN by_line THEN 'U' || md5($4 || ':' || n || ':' || pg_temp.draw(n, 1)) END,
         CASE WHEN by_line THEN first || ${pick("$9::text[]", "n", 2)} END,
         CASE WHEN by_line THEN 'https://profile.line.example/' || md5('p' || n) END,
         CASE WHEN is_named THEN first END, CASE WHEN is_named THEN surname END,
         CASE WHEN is_named THEN (ARRAY['male', 'female', 'male', 'female', 'male', 'female', 'other'])[1 + floor(pg_temp.draw(n, 3) * 7)::int] END,
         CASE WHEN pg_temp.draw(n, 4) < 0.6 THEN '1945-01-01'::date + floor(pg_temp.draw(n, 5) * 22000)::int END,
         CASE WHEN has_address THEN roman || '.' || surname_roman || floor(pg_temp.draw(n, 6) * 10000) || '@' || ${pick("$10::text[]", "n", 7)} END,
         CASE WHEN has_phone THEN '09' || lpad(floor(pg_temp.draw(n, 8) * 100)::text, 2, '0') || '-'
              || lpad(floor(pg_temp.draw(n, 9) * 1000)::text, 3, '0') || '-' || lpad(floor(pg_temp.draw(n, 10) * 1000)::text, 3, '0') END,
         sealed, hash, source, pg_temp.draw(n, 11) < 0.9,
         CASE WHEN pg_temp.draw(n, 12) < 0.05 THEN '偏好高樓層，常預訂商務房型' END,
         CASE WHEN by_line THEN at END,
         CASE WHEN by_line AND pg_temp.draw(n, 13) < 0.07 THEN at + ($5::timestamptz - at) * pg_temp.draw(n, 14) END,
         at, CASE WHEN by_line THEN at + ($5::timestamptz - at) * sqrt(pg_temp.draw(n, 15)) END, NULL
  FROM (
    SELECT n, source, source = 'line' OR pg_temp.draw(n, 16) < 0.3 AS by_line, source <> 'line' OR pg_temp.draw(n, 17) < 0.6 AS is_named,
           pg_temp.draw(n, 18) < CASE source WHEN 'line' THEN 0.4 ELSE 0.9 END AS has_address,
           pg_temp.draw(n, 19) < CASE source WHEN 'line' THEN 0.5 ELSE 0.97 END AS has_phone,
           $5::timestamptz - interval '3 years' * (1 - (n / $3::float8) ^ 0.6) AS at,
           $11::text[] AS surnames, 1 + floor(pg_temp.draw(n, 20) * cardinality($11::text[]))::int AS surname_lot,
           1 + floor(pg_temp.draw(n, 21) * cardinality($13::text[]))::int AS one, 1 + floor(pg_temp.draw(n, 22) * cardinality($13::text[]))::int AS two
    FROM (SELECT n, CASE WHEN pg_temp.draw(n, 23) < 0.55 THEN 'line' WHEN pg_temp.draw(n, 23) < 0.8 THEN 'crm' ELSE 'system' END AS source
          FROM generate_series($1::bigint, $2::bigint) AS n) AS sourced
  ) AS drawn
  CROSS JOIN LATERAL (SELECT surnames[surname_lot] AS surname, ($12::text[])[surname_lot] AS surname_roman,
                             ($13::text[])[one] || ($13::text[])[two] AS first, ($14::text[])[one] || ($14::text[])[two] AS roman) AS name
  LEFT JOIN unnest($6::text[], $7::bigint[], $8::text[]) AS numbers (sealed, place, hash) ON place = n AND source <> 'line'
  ORDER BY n`;

export const insertSearch = `
  INSERT INTO member_search (member_id, text)
  SELECT id, member_text(last_name, first_name, line_display_name, email, phone_digits) FROM members WHERE id > $1 ORDER BY id`;

/** Tags $2, each with its share of the members in $3. */
export const insertTagged = `
  INSERT INTO member_tag_relations (member_id, tag_id, tagged_at)
  SELECT members.id, tag, created_at + ($4::timestamptz - created_at) * pg_temp.draw(members.id - $1, 200 + place::int)
  FROM members CROSS JOIN unnest($2::bigint[], $3::float8[]) WITH ORDINALITY AS wanted (tag, share, place)
  WHERE members.id > $1 AND pg_temp.draw(members.id - $1, 100 + place::int) < share`;

/** Stays of half of the members, a few of each: rooms $3 at prices $4. */
export const insertStays = `
  INSERT INTO consumption_records (member_id, order_number, room_type, amount, check_in_date, check_out_date, nights, source, created_at, synced_at)
  SELECT id, '#' || to_char(day, 'YYYYMMDD') || '-' || id || '-' || nth, ($3::text[])[room],
         round((($4::float8[])[room] * nights * (0.8 + 0.4 * pg_temp.draw(id * 16 + nth, 34)))::numeric, -1),
         day, day + nights, nights, CASE WHEN by_hand THEN 'manual' ELSE 'pms' END, day + time '15:00', CASE WHEN NOT by_hand THEN day + time '16:00' END
  FROM (
    SELECT id, nth, (created_at + ($2::timestamptz - created_at) * pg_temp.draw(id * 16 + nth, 31))::date AS day,
           1 + floor(cardinality($3::text[]) * pg_temp.draw(id * 16 + nth, 32) ^ 2)::int AS room,
           1 + floor(4 * pg_temp.draw(id * 16 + nth, 33) ^ 2)::int AS nights, pg_temp.draw(id * 16 + nth, 35) < 0.08 AS by_hand
    FROM members CROSS JOIN LATERAL generate_series(1, least(12, 1 + floor(-1.2 * ln(1 - pg_temp.draw(id, 36)))::int)) AS nth
    WHERE id > $1 AND pg_temp.draw(id, 37) < 0.45
  ) AS stay`;

/** What some of LINE's members and the hotel have said to each other within the year: $3 asked, $4 answered. */
export const insertMessages = `
  INSERT INTO messages (member_id, content, direction, message_type, sender_type, read_at, created_at)
  SELECT id, CASE WHEN asks THEN ${pick("$3::text[]", "id * 8 + nth", 41)} ELSE ${pick("$4::text[]", "id * 8 + nth", 42)} END,
         CASE WHEN asks THEN 'incoming' ELSE 'outgoing' END, 'text',
         CASE WHEN NOT asks THEN CASE WHEN pg_temp.draw(id * 8 + nth, 43) < 0.8 THEN 'auto' ELSE 'manual' END END,
         CASE WHEN asks THEN at + interval '5 minutes' END, at
  FROM (SELECT id, nth, nth % 2 = 1 AS asks,
               greatest(created_at, $2::timestamptz - interval '360 days') + nth * interval '1 minute'
               + ($2::timestamptz - greatest(created_at, $2::timestamptz - interval '360 days')) * (0.99 * pg_temp.draw(id * 8 + (nth - 1) / 2, 44)) AS at
        FROM members CROSS JOIN LATERAL generate_series(1, 2 * (1 + floor(2 * pg_temp.draw(id, 45)))::int) AS nth
        WHERE id > $1 AND line_uid IS NOT NULL AND pg_temp.draw(id, 46) < 0.3) AS said
  WHERE at < $2`;
