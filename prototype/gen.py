"""20 M interactions, 200 k users, 20 k movies -> /tmp/proto/{interactions,movies}.parquet"""
import numpy as np, pyarrow as pa, pyarrow.parquet as pq, sys
from datetime import datetime, timezone
n=int(float(sys.argv[1])); U=n//100; M=max(200,n//1000)
rng=np.random.default_rng(1)
act=rng.lognormal(0,1.2,U); pu=act/act.sum()
user=rng.choice(U,size=n,p=pu).astype(np.int64)
pm=1/np.arange(1,M+1)**0.9; pm/=pm.sum()
movie=rng.choice(M,size=n,p=pm).astype(np.int64)
t0=int(datetime(2026,1,1,tzinfo=timezone.utc).timestamp()*1e6); days=180
t=t0+rng.integers(0,days*86400,size=n)*1_000_000
order=np.argsort(t,kind='stable'); user,movie,t=user[order],movie[order],t[order]
kind=rng.choice(6,size=n,p=[.2,.25,.2,.2,.13,.02])
names=np.array(["impression","view","watch","rating","like","search"])
fraction=np.where(kind==2,np.round(rng.random(n),3),np.nan); rating=np.where(kind==3,rng.integers(1,11,n)/2,np.nan)
sess=(user*1000+(t-t0)//86_400_000_000)
tab=pa.table({"event_id":pa.array(np.arange(n)).cast(pa.string()),"event_type":pa.DictionaryArray.from_arrays(pa.array(kind.astype(np.int32)),pa.array(names)).cast(pa.string()),
 "event_time":pa.array(t,pa.timestamp("us",tz="UTC")),"user_id":user,"movie_id":pa.array(movie,mask=kind==5),
 "fraction":pa.array(fraction,mask=kind!=2),"rating":pa.array(rating,mask=kind!=3),"session_id":pa.array(sess).cast(pa.string()),
 "ingestion_time":pa.array(np.full(n,t0+days*86_400_000_000),pa.timestamp("us",tz="UTC")),"event_date":pa.array((t//86_400_000_000).astype(np.int32)).cast(pa.date32())})
pq.write_table(tab,"/tmp/proto/interactions.parquet",compression="snappy",row_group_size=1_000_000)
G=[f"genre{i}" for i in range(19)]
pg=1/np.arange(1,20)**.7; pg/=pg.sum()
gs=[list(np.array(G)[rng.choice(19,size=rng.integers(1,5),replace=False,p=pg)]) for _ in range(M)]
pq.write_table(pa.table({"event_id":pa.array([f"m{i}" for i in range(M)]),"event_time":pa.array(np.full(M,t0-86_400_000_000),pa.timestamp("us",tz="UTC")),"movie_id":np.arange(M),"title":[f"t{i}" for i in range(M)],"genres":pa.array(gs,pa.list_(pa.string())),"year":pa.array(np.full(M,2000),pa.int32()),
 "language":["en"]*M,"release_date":pa.array(np.full(M,10000,np.int32)).cast(pa.date32()),"ingestion_time":pa.array(np.full(M,t0+days*86_400_000_000),pa.timestamp("us",tz="UTC")),"event_date":pa.array(np.full(M,(t0//86_400_000_000)-1,np.int32)).cast(pa.date32())}),"/tmp/proto/movies.parquet")
