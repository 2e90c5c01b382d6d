-- kind: step
-- entity: user
-- grain: one row per user whose features are others than they were
-- keys: user_id
-- time column: none
-- window: what is new
-- description: Users of whom something is new; all users where a period of taste's decay has begun.
-- owner: ml-platform-team
SELECT user_id FROM user_days
UNION
SELECT user_id FROM user_upserts
UNION
SELECT user_id FROM store.user_features WHERE $decay_moved
