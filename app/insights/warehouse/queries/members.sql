-- Single members, for recommendations: only those who consented.
SELECT p.member_id, p.rfm, p.volume, p.variety, p.price_range, p.brand
FROM warehouse.member_profile p
JOIN warehouse.dim_member m ON m.member_id = p.member_id
WHERE m.consented
ORDER BY p.member_id
