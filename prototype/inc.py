"""Prototype: full build == increments, on random histories."""
import duckdb, glob, random, sys, datetime as dt, pyarrow as pa, itertools
FILES=[(f.split('/')[-1][3:-4],open(f).read()) for f in sorted(glob.glob('/tmp/proto/sql/*.sql'))]
T0=dt.datetime(2026,1,1,tzinfo=dt.UTC)
SI=pa.schema([("event_id",pa.string()),("event_type",pa.string()),("event_time",pa.timestamp("us","UTC")),("user_id",pa.int64()),("movie_id",pa.int64()),("fraction",pa.float64()),("rating",pa.float64()),("session_id",pa.string()),("ingestion_time",pa.timestamp("us","UTC")),("event_date",pa.date32())])
SM=pa.schema([("event_id",pa.string()),("event_time",pa.timestamp("us","UTC")),("movie_id",pa.int64()),("title",pa.string()),("genres",pa.list_(pa.string())),("year",pa.int32()),("language",pa.string()),("release_date",pa.date32()),("ingestion_time",pa.timestamp("us","UTC")),("event_date",pa.date32())])
STATE={}
def take(con,inter,movies,on_time):
    con.register('interactions',inter); con.register('movies',movies); con.execute("SET TimeZone='UTC'")
    p={'on_time_until':on_time}
    for name,sql in FILES:
        kind=sql.split('\n')[0].split(': ')[1]
        used={k:v for k,v in p.items() if '$'+k in sql}
        if kind=='view':
            lit=sql.replace('$on_time_until',f"TIMESTAMPTZ '{on_time.isoformat()}'"); con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {lit}")
        elif kind=='step': con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}",used)
        else:
            con.execute(f"CREATE OR REPLACE TEMP TABLE new_rows AS {sql}",used)
            if name=='training_frame': con.execute("DELETE FROM store.training_frame AS f USING new_rows n WHERE f.user_id=n.user_id AND f.movie_id=n.movie_id")
            con.execute(f"INSERT INTO store.{name} BY NAME FROM new_rows")
            if name=='training_frame':
                con.execute("UPDATE store.training_frame AS f SET met_from=p.met_from, positive_from=p.positive_from FROM pairs p WHERE f.user_id=p.user_id AND f.movie_id=p.movie_id AND (f.met_from<>p.met_from OR f.positive_from IS DISTINCT FROM p.positive_from)")
DDL="""
CREATE TABLE store.genres(genre VARCHAR, number INTEGER);
CREATE TABLE store.movie_versions(movie_id BIGINT, known_from TIMESTAMPTZ, event_time TIMESTAMPTZ, event_id VARCHAR, title VARCHAR, genres VARCHAR[], year INT, language VARCHAR, release_date DATE);
CREATE TABLE store.user_states(user_id BIGINT, known_from TIMESTAMPTZ, n_events BIGINT, n_days BIGINT, first_time TIMESTAMPTZ, last_time TIMESTAMPTZ, n_sessions BIGINT, session_us BIGINT, n_ratings BIGINT, milli_stars BIGINT, squares BIGINT, n_watches BIGINT, watched BIGINT, n_positives BIGINT, last_liked HUGEINT);
CREATE TABLE store.movie_states(movie_id BIGINT, known_from TIMESTAMPTZ, n_impressions BIGINT, n_contacts BIGINT, n_ratings BIGINT, milli_stars BIGINT, squares BIGINT, n_watches BIGINT, watched BIGINT, n_positives BIGINT, recent BIGINT, older BIGINT);
CREATE TABLE store.taste_states(user_id BIGINT, genre INTEGER, known_from TIMESTAMPTZ, recent BIGINT, older BIGINT);
CREATE TABLE store.priors(known_from TIMESTAMPTZ, n_ratings BIGINT, milli_stars BIGINT);
CREATE TABLE store.training_frame(user_id BIGINT, movie_id BIGINT, event_time TIMESTAMPTZ, label TINYINT, weight FLOAT, met_from TIMESTAMPTZ, positive_from TIMESTAMPTZ, user_positives BIGINT, user_events BIGINT, user_days BIGINT, user_days_since_last DOUBLE, user_rating_mean DOUBLE, user_rating_spread DOUBLE, user_watch_completion DOUBLE, user_sessions BIGINT, user_session_minutes DOUBLE, movie_positives BIGINT, movie_impressions BIGINT, movie_contacts BIGINT, movie_popularity DOUBLE, seen_before BOOLEAN, genre_match DOUBLE, hour BIGINT, weekday BIGINT, movie_age_days BIGINT, last_liked HUGEINT);
"""
def new():
    c=duckdb.connect(); c.execute("ATTACH ':memory:' AS store"); c.execute(DDL); return c
def content(c): return {t:sorted(map(repr,c.sql(f"SELECT * FROM store.{t}").to_arrow_table().to_pylist())) for t in "genres movie_versions user_states movie_states taste_states priors training_frame".split()}
def history(rng,days):
    ev=[];mv=[]
    for k in range(rng.randint(5,120)):
        d=rng.randrange(days); t=T0+dt.timedelta(days=d,seconds=rng.choice([0,3600,7200,86399,rng.randrange(86400)]))
        late=rng.choice([0,0,0,0,1,2,5,30]); ing=dt.datetime.combine(t.date(),dt.time(2,0,13),dt.UTC)+dt.timedelta(days=1+late)
        kind=rng.choice("impression view watch rating like search".split())
        ev.append(dict(event_id=f"e{k}",event_type=kind,event_time=t,user_id=rng.randrange(4),movie_id=None if kind=='search' else rng.randrange(6),fraction=rng.choice([.1,.5,1.]) if kind=='watch' else None,rating=rng.choice([.5,3.3,3.5,5.]) if kind=='rating' else None,session_id=rng.choice([None,f"s{rng.randrange(3)}"]),ingestion_time=ing,event_date=t.date()))
    for k in range(rng.randint(0,14)):
        d=rng.randrange(days); t=T0+dt.timedelta(days=d,seconds=rng.randrange(86400)); late=rng.choice([0,0,1,9])
        mv.append(dict(event_id=f"m{k}",event_time=t,movie_id=rng.randrange(6),title="t",genres=rng.choice([None,[],["a"],["b","a"],["c","d","a"]]),year=None,language=None,release_date=t.date() if rng.random()<.5 else None,ingestion_time=dt.datetime.combine(t.date(),dt.time(2,0,13),dt.UTC)+dt.timedelta(days=1+late),event_date=t.date()))
    return ev,mv
def run(seed,days=None):
    rng=random.Random(seed); days=days or rng.choice([4,12,200,900]); ev,mv=history(rng,days)
    on_time=T0+dt.timedelta(days=rng.choice([-1,0,days//2]),hours=2,seconds=13)
    known=lambda e: max(dt.datetime.combine(e['event_date'],dt.time(),dt.UTC)+dt.timedelta(days=1), e['ingestion_time'] if e['ingestion_time']>on_time else T0)
    full=new(); take(full,pa.Table.from_pylist(ev,SI),pa.Table.from_pylist(mv,SM),on_time)
    inc=new()
    # batches by known_from, cut at random instants
    cuts=sorted(rng.sample(range(days+40),min(days+40,rng.randint(1,8))))
    edges=[T0+dt.timedelta(days=c,hours=rng.choice([0,12])) for c in cuts]+[T0+dt.timedelta(days=100000)]
    before=T0-dt.timedelta(days=9)
    for e in edges:
        a=[x for x in ev if before<known(x)<=e]; b=[x for x in mv if before<known(x)<=e]
        take(inc,pa.Table.from_pylist(a,SI),pa.Table.from_pylist(b,SM),on_time); before=e
    x,y=content(full),content(inc)
    for t in x:
        if x[t]!=y[t]:
            print('seed',seed,'differs in',t,[r for r in x[t] if r not in y[t]][:2],[r for r in y[t] if r not in x[t]][:2]); return False
    return True
if __name__=='__main__':
    bad=0
    for s in range(int(sys.argv[1]),int(sys.argv[2])):
        if not run(s): bad+=1
    print('bad',bad)
