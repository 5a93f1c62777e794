-- Beginnings of titles, for searches too short to have a trigram; the expression is the one that the
-- page queries use.
CREATE INDEX task_text_beginning ON task_text (lower(title) text_pattern_ops);

-- People by name, to choose from.
CREATE INDEX user_cache_by_name ON user_cache (first_name, last_name, user_id);
