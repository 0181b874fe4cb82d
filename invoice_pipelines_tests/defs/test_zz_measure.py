import time
import pytest
from sqlalchemy import text
from invoice_pipelines_tests.defs.conftest import *
from invoice_pipelines_tests.conftest import *

def bulk(house, n):
    house.behind("""insert into organizations.organization (id, slug, name, country_code, time_zone, currency, settings, created_by)
      select uuidv7(), 'org-'||lpad(i::text,5,'0'), 'Org '||i, 'DE','Europe/Berlin','EUR','{}','test' from generate_series(1,:n) i""", n=n)

@pytest.mark.parametrize("kind", ["lasting_house"])
def test_measure(request, kind, configure):
    house = request.getfixturevalue(kind)
    bulk(house, 10000)
    def timed(label, f):
        t=time.monotonic(); r=f(); print(f"{label}: {time.monotonic()-t:.2f}s", flush=True); return r
    timed("partitions add 10k", house.keep_partitions_in_step)
    timed("partitions none", house.keep_partitions_in_step)
    timed("tick empty", house.tick)
    def drop():
        for i in range(1,10001):
            house.drop(f"org-{i:05}", "a.xml", b"<x/>%d" % i)
            house.drop(f"org-{i:05}", "b.xml", b"<y/>%d" % i)
    timed("drop", drop)
    for k in range(5):
        r = timed(f"tick {k}", house.tick)
        print(len(r.run_requests or []), r.skip_reason, r.cursor)
    for i in range(1,101): 
        import shutil as s; s.rmtree(house.folder/"inbox"/f"org-{i:05}")
    for i in range(50000): house.drop("org-00050", f"{i}.xml", b"%d" % i)
    for k in range(5):
        r = timed(f"tick50k {k}", house.tick)
        print(len(r.run_requests or []), r.skip_reason, r.cursor)
