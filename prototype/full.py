import duckdb, time, sys, os, resource, threading
mem=sys.argv[1] if len(sys.argv)>1 else "2GB"
os.system("rm -rf /tmp/proto/out.duckdb* /tmp/proto/spill")
c=duckdb.connect(":memory:",config={"memory_limit":mem,"threads":2,"temp_directory":"/tmp/proto/spill","preserve_insertion_order":"false"})
c.execute("SET TimeZone='UTC'")
c.execute("ATTACH '/tmp/proto/out.duckdb' AS store")
T0=time.time()
def step(name,sql):
    t=time.time(); c.execute(sql)
    rss=int(open('/proc/self/statm').read().split()[1])*4096>>20
    print(f"{name:22s} {time.time()-t:6.2f} s rss {rss} MB",flush=True)
step("events view","""
CREATE VIEW events AS SELECT user_id, movie_id, event_type, event_time, event_date, session_id, rating, fraction,
   greatest((epoch_us(event_time)//86400000000+1)*86400000000, 0) AS known_from,
   epoch_us(event_time) AS t,
   event_type='like' OR (event_type='rating' AND rating>=3.5) OR (event_type='watch' AND fraction>=.5) AS positive,
   CASE WHEN event_type='rating' THEN CAST(round(rating*1000) AS INTEGER) END AS stars,
   CASE WHEN event_type='watch' THEN CAST(round(fraction*1000000) AS INTEGER) END AS watched
 FROM read_parquet('/tmp/proto/interactions.parquet')""")
step("movie_versions","""CREATE TEMP TABLE movie_versions AS SELECT movie_id, epoch_us(event_time) AS known_from, 9e18::BIGINT AS known_until, genres, release_date FROM read_parquet('/tmp/proto/movies.parquet')""")
step("genres","""CREATE TEMP TABLE genre_numbers AS SELECT genre, CAST(row_number() OVER (ORDER BY genre)-1 AS INTEGER) AS genre_id FROM (SELECT DISTINCT unnest(genres) AS genre FROM movie_versions)""")
step("movie_genres","""CREATE TEMP TABLE movie_genres AS SELECT movie_id, known_from, known_until, genre_id, n FROM (SELECT movie_id, known_from, known_until, unnest(genres) AS genre, len(genres) AS n FROM movie_versions) JOIN genre_numbers USING (genre)""")
step("pairs","""CREATE TABLE store.pairs AS SELECT user_id, movie_id, min(t) AS first_time, min(t) FILTER (positive) AS positive_time,
   min(known_from) AS met_from, min(known_from) FILTER (positive) AS positive_from
   FROM events WHERE event_type IN ('view','watch','rating','like') AND movie_id IS NOT NULL GROUP BY ALL""")
step("user_sessions","""CREATE TEMP TABLE user_sessions AS SELECT user_id, known_from, session_id, count(*) AS n_events, max(t) AS last_time, max(t)-min(t) AS length,
   count(stars) AS n_ratings, sum(stars) AS stars, sum(stars*stars) AS stars2, count(watched) AS n_watches, sum(watched) AS watched,
   max(t::HUGEINT*9223372036854775808+movie_id) FILTER (positive) AS last_liked
   FROM events GROUP BY ALL""")
step("user_daily","""CREATE TEMP TABLE user_daily AS SELECT * FROM (SELECT user_id, known_from, sum(n_events)::BIGINT AS n_events, max(last_time) AS last_time, count(session_id) AS n_sessions, sum(length)::BIGINT AS session_us,
   sum(n_ratings)::BIGINT AS n_ratings, coalesce(sum(stars),0)::BIGINT AS stars, coalesce(sum(stars2),0)::BIGINT AS stars2, sum(n_watches)::BIGINT AS n_watches, coalesce(sum(watched),0)::BIGINT AS watched, max(last_liked) AS last_liked
   FROM user_sessions GROUP BY ALL) LEFT JOIN (SELECT user_id, positive_from AS known_from, count(*) AS n_positives FROM store.pairs WHERE positive_from IS NOT NULL GROUP BY ALL) USING (user_id, known_from); DROP TABLE user_sessions""")
step("user_states","""CREATE TABLE store.user_states AS SELECT user_id, known_from,
   sum(n_events) OVER w ::BIGINT AS n_events, count(*) OVER w AS n_days, max(last_time) OVER w AS last_time, sum(n_sessions) OVER w::BIGINT AS n_sessions, sum(session_us) OVER w::BIGINT AS session_us,
   sum(n_ratings) OVER w::BIGINT AS n_ratings, sum(stars) OVER w::BIGINT AS stars, sum(stars2) OVER w::BIGINT AS stars2, sum(n_watches) OVER w::BIGINT AS n_watches, sum(watched) OVER w::BIGINT AS watched,
   max(last_liked) OVER w AS last_liked, sum(n_positives) OVER w::BIGINT AS n_positives
   FROM user_daily WINDOW w AS (PARTITION BY user_id ORDER BY known_from ROWS UNBOUNDED PRECEDING); DROP TABLE user_daily""")
step("movie_daily","""CREATE TEMP TABLE movie_daily AS SELECT * FROM (SELECT movie_id, known_from, count(*) FILTER (event_type='impression') AS n_impressions, count(*) FILTER (event_type<>'impression') AS n_contacts,
   count(stars) AS n_ratings, coalesce(sum(stars),0)::BIGINT AS stars, coalesce(sum(stars*stars),0)::BIGINT AS stars2, count(watched) AS n_watches, coalesce(sum(watched),0)::BIGINT AS watched
   FROM events WHERE movie_id IS NOT NULL GROUP BY ALL) LEFT JOIN (SELECT movie_id, positive_from AS known_from, count(*) AS n_positives FROM store.pairs WHERE positive_from IS NOT NULL GROUP BY ALL) USING (movie_id, known_from)""")
step("movie_states","""CREATE TABLE store.movie_states AS SELECT movie_id, known_from,
   sum(n_impressions) OVER w ::BIGINT AS n_impressions,  sum(n_contacts) OVER w::BIGINT AS n_contacts,
   sum(n_ratings) OVER w::BIGINT AS n_ratings, sum(stars) OVER w::BIGINT AS stars, sum(stars2) OVER w::BIGINT AS stars2, sum(n_watches) OVER w::BIGINT AS n_watches, sum(watched) OVER w::BIGINT AS watched,
   sum(n_positives) OVER w::BIGINT AS n_positives, 
   sum(n_positives << ((known_from//604800000000)%16)) OVER e ::BIGINT AS decayed, sum(n_positives << ((known_from//604800000000)%16)) OVER e2 ::BIGINT AS decayed2
   FROM movie_daily WINDOW w AS (PARTITION BY movie_id ORDER BY known_from ROWS UNBOUNDED PRECEDING), e AS (PARTITION BY movie_id, known_from//9676800000000 ORDER BY known_from ROWS UNBOUNDED PRECEDING),
   e2 AS (PARTITION BY movie_id ORDER BY known_from//9676800000000 RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING)""")
step("taste_states","""CREATE TABLE store.taste_states AS WITH daily AS (SELECT user_id, genre_id, positive_from AS known_from, count(*) AS n FROM store.pairs JOIN movie_genres USING (movie_id) WHERE positive_from >= known_from AND positive_from < known_until GROUP BY ALL)
  SELECT user_id, genre_id, known_from, sum(n << ((known_from//2419200000000)%16)) OVER e ::BIGINT AS decayed, sum(n << ((known_from//2419200000000)%16)) OVER e2 ::BIGINT AS decayed2
  FROM daily WINDOW e AS (PARTITION BY user_id, genre_id, known_from//38707200000000 ORDER BY known_from ROWS UNBOUNDED PRECEDING), e2 AS (PARTITION BY user_id, genre_id ORDER BY known_from//38707200000000 RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING)""")
step("examples","""CREATE TEMP TABLE examples AS SELECT user_id, movie_id, coalesce(positive_time, first_time) AS t, (positive_time IS NOT NULL)::TINYINT AS label, met_from FROM store.pairs""")
step("taste_match","""CREATE TEMP TABLE taste_match AS SELECT user_id, movie_id, sum(ldexp) AS match FROM (
  SELECT a.user_id, a.movie_id, s.decayed::DOUBLE / (1 << ((a.t//2419200000000)%16)) AS ldexp FROM (SELECT e.user_id, e.movie_id, e.t, g.genre_id FROM examples e JOIN movie_genres g ON e.movie_id=g.movie_id AND e.t>=g.known_from AND e.t<g.known_until) a
   ASOF JOIN store.taste_states s ON a.user_id=s.user_id AND a.genre_id=s.genre_id AND a.t>=s.known_from) GROUP BY ALL""")
step("frame","""CREATE TABLE store.frame AS SELECT e.user_id, e.movie_id, e.t, e.label, e.met_from<=e.t AS seen_before, u.n_positives AS user_positives, u.n_events, u.n_days, u.n_sessions, u.stars/u.n_ratings AS user_rating_mean, u.last_time, u.last_liked,
   m.n_positives AS movie_positives, m.n_impressions, m.n_contacts, m.decayed::DOUBLE/(1<<((e.t//604800000000)%16)) AS pop, m.stars/m.n_ratings AS movie_rating_mean, tm.match
   FROM examples e ASOF LEFT JOIN store.user_states u ON e.user_id=u.user_id AND e.t>=u.known_from ASOF LEFT JOIN store.movie_states m ON e.movie_id=m.movie_id AND e.t>=m.known_from LEFT JOIN taste_match tm ON tm.user_id=e.user_id AND tm.movie_id=e.movie_id""")
step("checkpoint","CHECKPOINT store")
for t in "pairs user_states movie_states taste_states frame".split(): print(t, c.execute(f"select count(*) from store.{t}").fetchone()[0])
print("total",round(time.time()-T0,1),"peak",resource.getrusage(resource.RUSAGE_SELF).ru_maxrss>>10,"MB file",os.path.getsize("/tmp/proto/out.duckdb")>>20,"MB")
