SELECT user_id FROM user_days
UNION
SELECT user_id FROM user_upserts
UNION
SELECT user_id FROM store_user_features WHERE $decay_moved
