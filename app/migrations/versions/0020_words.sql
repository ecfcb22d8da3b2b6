-- What two spellings have in common for whoever searches: letters without case, width, accents and other marks.
CREATE OR REPLACE FUNCTION folded(words text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN replace(replace(replace(
        translate(lower(regexp_replace(normalize(words, NFKD), '[\u0300-\u036f]', '', 'g')), 'øłđıςþðħ', 'oldiσtdh'),
        'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');

-- Words by their stems, the name's first; and each word, number and SKU as it is, for who types only its beginning.
CREATE OR REPLACE FUNCTION product_words(sku text, name text, brand text, description text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN setweight(to_tsvector('english', folded(name)), 'A') || setweight(to_tsvector('simple', folded(brand)), 'B')
        || setweight(to_tsvector('english', folded(brand)), 'B')
        || setweight(to_tsvector('english', folded(description)), 'C')
        || array_to_tsvector(array_remove(
               regexp_split_to_array(folded(sku || ' ' || name || ' ' || brand), '[^[:alnum:]]+')
               || regexp_replace(folded(sku), '[^[:alnum:]]+', '', 'g'), ''));

ALTER TABLE products ADD COLUMN IF NOT EXISTS words tsvector;
ALTER TABLE products ADD COLUMN IF NOT EXISTS folded_brand text;

CREATE OR REPLACE FUNCTION write_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.words IS NULL
       OR (NEW.name, NEW.brand, NEW.description) IS DISTINCT FROM (OLD.name, OLD.brand, OLD.description) THEN
        NEW.words := product_words(NEW.sku, NEW.name, NEW.brand, NEW.description);
        NEW.folded_brand := folded(NEW.brand);
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER words BEFORE INSERT OR UPDATE ON products FOR EACH ROW EXECUTE FUNCTION write_words();
