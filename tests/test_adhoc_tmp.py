from datetime import timedelta
import pytest
from app.offers.models import Promotion
from app.signing import Role
from app.ids import new_id
def test_forever(shop, caller, no_logs):
    from tests.test_problems import DATES, FOREVER
    a=caller(Role.ADMIN,new_id()); m=shop.member(); p=shop.product()
    print(a.post("/offers", {"name":"x","terms":{"kind":"promotion"},**DATES,"ends_at":FOREVER}).status_code)
    r=caller(Role.MEMBER,m).post("/orders",{"lines":[{"product_id":str(p),"units":1}]}); print("order", r.status_code, r.text[:200])
    r=a.post("/rules", {"name":"x","scope":"everything","method":"rate","points":1,**DATES,"ends_at":FOREVER}); print("rule", r.status_code)
    r=a.client.get(f"/products/{p}"); print("product", r.status_code)
def test_paging(shop, caller):
    m=shop.member(); p=shop.product()
    for _ in range(2): shop.order(m,(p,1))
    print("next", caller(Role.MEMBER,m).get("/orders",limit=2).json()["next"])
    r=caller(Role.MEMBER,new_id()).post("/orders",{"lines":[{"product_id":str(p),"units":1}],"pay_points":5}); print(r.status_code, r.json()["detail"])
def test_join_none(shop):
    from app.members import service
    with shop.db.write() as s: print(service.join_all(s, []))
