# One statement a line; a line that starts with `+` is a list of expressions, each its own SELECT.
# What follows `@` at a line's end is the FROM clause of its expressions. `##` names the family.
## integers
+ 7 div 2, -7 div 2, 7 % -3, 2147483647 + 1, 2147483647L + 1, 9223372036854775807 + 1, 3000000000, 10L, 5S, 6Y, 100Y + 100Y, 1 / 2, 7 / 7, 0 / 5, 1 / 0, 5 % 0, 5 div 0, -(-5), + 5, 2 * 3 + 4, 2 - -3, -2147483648, - -1
+ 9223372036854775807 * 2, cast(32767 as smallint) + 1S, 1 + 1L, 1Y + 1, 2147483647 * 2, 65536 * 65536, 5 & 6, 5 | 6, 5 ^ 6, ~5, 1L & 3, bigint(5) div 2
## decimals
+ 1.5, 1.10, .5, 5., 1.0/3, 2.50/0.3, 1/3.0, cast(1 as decimal(38,18))/3, 3.14*2.71828, 1.1+2.22, 1.1%0.3, 7 div 2.5, 1.0/0, 0.1+0.2, -1.5, 1.5 - 2, 123456789012345678.9 * 10, 1.5BD, 10 * 1.5, 1e3, 1.5E-2, 1.5D, 1.5F, 5 / 2.0, 100.00 / 3, 2.00 / 7.00, 1.23 * 4.56 / 7.89
+ cast(1.5 as decimal(38,10))*cast(2 as decimal(38,10)), cast(99999999999999999999999999999999999999 as decimal(38,0)) + 1, cast(10 as decimal(10,2)) / cast(3 as decimal(10,2)), cast(1 as decimal(20,10)) * cast(3 as decimal(20,10)), 0.00 / 5, -7.5 % 2, 1.5 = 1.50, 1.5 > 1, cast(1.1 as decimal(2,1)) = 1.1D, 0.1 = 0.1D
+ amount + 1, amount * 2, amount / 3, amount / qty, amount - 0.005, amount * amount, -amount, amount % 3, amount * 1.19, amount + f, amount > 15, amount = 10.5, qty / amount @ main.sales.orders
+ sum(amount) / count(*), sum(amount) * 1.1, avg(amount) + 1, sum(amount) / sum(qty), round(avg(amount), 2), sum(amount * qty), avg(qty) / 2, sum(qty) / 2, sum(amount) - avg(amount), max(amount) - min(amount) @ main.sales.orders
## doubles
+ 1e0/0, 0D/0, 1.5D % 0.5D, 1.5D * 2, 2.5F + 1, 0.1D + 0.2D, cast('NaN' as double) > 1e308, double('inf') - double('inf'), 1e308 * 10, -0.0D, 5.0D / 2, float(1.1) = 1.1D, float(0.1) + 0.2D, 1e20, -1e-7, 7.0D div 2
+ f + 1, f / 2, f * f, -f, f % 2, f > 0, abs(f), round(f), floor(f), ceil(f), cast(f as int), cast(f as string), f / 0 @ main.sales.orders
## casts
+ cast('  12 ' as int), cast('+5' as int), cast('-5' as bigint), cast('1.5' as int), cast('' as int), cast('abc' as int), cast('1e3' as int), cast('0x1F' as int), cast('1_000' as int), cast('99999999999' as int), cast('127' as tinyint), cast('128' as tinyint), cast(null as int), cast('1e3' as double), cast('.5' as double), cast('1d' as double), cast('abc' as double), cast('inf' as double), cast('-Infinity' as float), cast('nan' as double), cast('5.' as decimal(3,1)), cast('12.345' as decimal(5,2)), cast('123.45' as decimal(4,2)), cast('x' as decimal(4,2)), cast('1e2' as decimal(5,1))
+ cast(' true' as boolean), cast('yes' as boolean), cast('T' as boolean), cast('1' as boolean), cast('n' as boolean), cast('off' as boolean), cast('2' as boolean), cast(0 as boolean), cast(2 as boolean), cast(1.5 as boolean), cast(true as int), cast(false as double), cast(true as decimal(2,1)), cast(true as string), cast(0.0D as boolean)
+ cast(3.9 as int), cast(-3.9 as int), cast(2.5 as bigint), cast(-1.7D as int), cast(1e10 as int), cast(2147483647.9D as int), cast(3000000000L as int), cast(300 as tinyint), cast(-129 as tinyint), cast(double('nan') as int), cast(123.456 as decimal(4,2)), cast(12.999 as decimal(4,2)), cast(1.005D as decimal(4,2)), cast(2.675D as decimal(10,2)), cast(1 as decimal(3,2)), cast(10 as decimal(3,2)), cast(1e20 as decimal(38,2)), cast(0.1F as double), cast(5 as float), cast(1.5 as double)
+ cast(1e20 as string), cast(1.0D as string), cast(1e-7 as string), cast(1e7 as string), cast(123456789.5D as string), cast(0.001D as string), cast(1234.5678D as string), cast(1.5 as string), cast(float(0.1) as string), cast(1.10 as string), cast(cast(0 as decimal(20,10)) as string), cast(-0.0D as string), cast(double('inf') as string), cast(double('nan') as string), cast(10L as string), cast(-1e15 as string), cast(0.00012D as string), cast(100D as string), cast(12345678.9F as string), cast(9999999D as string), cast(10000000D as string)
+ cast(date'2024-01-01' as string), cast(timestamp'2024-01-01 10:00:00.120' as string), cast(timestamp'2024-01-01 00:00:00' as string), cast(array(1,2) as string), cast(map('a',1) as string), cast(struct(1,'a') as string), cast(array('a',null) as string), cast(x'4142' as string), cast(array(array(1),array()) as string), cast(named_struct('a',null) as string), cast(array(1.5D, 2) as string), cast(array(true) as string), cast(array(date'2024-01-01') as string), cast(map(1,array('x')) as string)
+ cast('2024-1-5' as date), cast('2024' as date), cast('2024-03' as date), cast(' 2024-01-15 ' as date), cast('2024-01-15 25' as date), cast('2024-01-15T' as date), cast('2024-01-15abc' as date), cast('2024-13-01' as date), cast('2024-02-30' as date), cast('24-01-01' as date), cast('20240115' as date), cast('bad' as date), cast('01/02/2024' as date), cast('' as date), cast(timestamp'2024-01-01 23:59:59' as date), cast(20240101 as date), cast(date'2024-01-01' as int)
+ cast('2024-01-15T10:00:00Z' as timestamp), cast('2024-01-15 10:00' as timestamp), cast('2024-01-15 10' as timestamp), cast('2024-01-15 10:00:00+02:00' as timestamp), cast('2024-01-15 10:00:00.123456789' as timestamp), cast('2024-01-15 1:2:3' as timestamp), cast('2024-01-15' as timestamp), cast('2024' as timestamp), cast('2024-01-15 10:00:00 UTC' as timestamp), cast('2024-01-15 10:00:00 America/New_York' as timestamp), cast('2024-01-15 10:00:00 Europe/Nowhere' as timestamp), cast('2024-01-15 25:00:00' as timestamp), cast('2024-01-15 10:61:00' as timestamp), cast('2024-01-15 10:00:00.5' as timestamp), cast('2024-01-15T10:00:00-0500' as timestamp), cast('2024-01-15 10:00:00GMT+1' as timestamp), cast('2024-01-15x' as timestamp), cast(1704067200 as timestamp), cast(1.7e9D as timestamp), cast(1.5 as timestamp), cast(date'2024-01-01' as timestamp), cast(true as timestamp), cast('2024-01-15 10:00:00' as timestamp_ntz), cast(timestamp'2024-01-01 00:00:00.5' as bigint), cast(timestamp'2024-01-01 00:00:00.5' as double), cast(timestamp'1969-12-31 23:59:59.5' as bigint), cast(timestamp_ntz'2024-01-01 10:00:00' as timestamp), cast(timestamp'2024-01-01 00:00:00' as timestamp_ntz), cast(timestamp'2024-01-01 00:00:00' as decimal(20,2))
+ cast(array('1','2') as array<int>), cast(array(1,2) as array<string>), cast(map('a','1') as map<string,int>), cast(named_struct('a','1') as struct<b:int>), cast(array('x') as array<int>), try_cast(array('x','1') as array<int>), cast(array(1.5) as array<int>), cast('a' as binary), cast(65 as binary), cast(array(1) as int), cast('a' as array<string>), cast(struct(1,2) as struct<x:string,y:bigint>)
+ try_cast('1.5' as int), try_cast('2024-13-01' as date), try_cast('300' as tinyint), try_cast(300 as tinyint), try_cast('x' as decimal(4,2)), try_cast('bad' as timestamp), try_cast('maybe' as boolean), try_cast(1e20 as bigint), try_cast('12' as int), '12'::int, 1::string, '1.5'::decimal(3,1)::int, int('5'), string(5), double('1.5'), bigint(5.7), boolean('true'), decimal('1.5'), float(1.5), tinyint(1), smallint(2), binary('a'), date('2024-01-01'), timestamp('2024-01-01')
## coercion
+ '1'+1, '1'+1.5, '1.5'+1.5D, '2'*'3', 1+true, '1.5' + 1, 'a' + 1, '10' / 4, '7' % 4, '7' div 2, -'5', null + 1, null / 0, 1 + null, '5' - 2L, true + true, '1' = 1, 1 = '1.0', 'a' = 1, 1.5 = '1.5', true = 'true', 1 = true, 1L = 1.0D, '2' > 10, '2' > '10', null = null, null <=> null, 1 <=> null, 1 <=> 1, date'2024-01-01' = '2024-01-01', date'2024-01-01' = '2024-1-1', timestamp'2024-01-01 00:00:00' > '2023', date'2024-01-01' < timestamp'2024-01-01 00:00:01', date'2024-01-01' = 'x', 'abc' <> 'abd', null <> 1
+ '2' in (1,2), 1 in ('1', 2.5), 2.0 in (2), 5 in (1, null), 1 in (1, null), null in (1), 5 not in (1, null), 'a' in ('a'), 1 not in (2,3), date'2024-01-01' in ('2024-01-01'), (1,2) in ((1,2),(3,4)), (1,null) in ((1,2))
+ coalesce(1, 2.5), coalesce(1, 'a'), coalesce(null, null), coalesce(null, 'x'), if(true, 1, '5'), if(false, 1, 2.5D), if(null, 1, 2), case when true then 1 else 2.5D end, case when false then 'a' end, case 1 when 1.0 then 'x' else 'y' end, case null when null then 1 else 2 end, case when null then 1 else 2 end, greatest(1, 2.5, 3L), least(1, 2.5D), greatest(null,1), least('a','b'), greatest(date'2024-01-01', date'2024-02-01'), greatest(1,'2'), array(1, 2.5), array(1,'2'), nullif(1, 1.0), nullif('a','b'), nvl(1, 2.5), nvl2('x', 1, 2), ifnull(null, 'z'), coalesce(date'2024-01-01', timestamp'2024-01-01 00:00:00'), coalesce(date'2024-01-01', '2024-01-02'), nullif(1, null), greatest(1), nvl(date'2024-01-01', '2024-02-01'), zeroifnull(null), nullifzero(0), coalesce(array(1), array()), if(1, 2, 3)
SELECT 1 UNION ALL SELECT 2.5
SELECT 1 UNION ALL SELECT 'a'
SELECT 1 UNION ALL SELECT '2' ORDER BY 1
SELECT null UNION ALL SELECT 1 ORDER BY 1
SELECT date'2024-01-01' UNION SELECT timestamp'2024-01-01 00:00:00'
SELECT 1 UNION SELECT 1.0
SELECT * FROM VALUES (1, 'a'), (2.5, null) AS t(x, y) ORDER BY x
SELECT * FROM VALUES (1), ('2') AS t(x)
SELECT * FROM VALUES (null), (1) t ORDER BY 1
## logic
+ true and null, false and null, true or null, false or null, not null, not true, null is null, 1 is not null, true is true, null is true, null is not true, false is false, null is false, true is not false, !true, true != false, 1 between 1 and 2, 3 not between 1 and 2, null between 1 and 2, 2 between '1' and 3, 'b' between 'a' and 'c', 1 = 1 and 2 = 2 or false, isnull(null), isnotnull(1), equal_null(null, 1), equal_null(1, 1.0), 1 is distinct from null, null is distinct from null, 1 is not distinct from 1, true && false, true and 'true', 1 and 0, b and qty > 0, b or qty > 0, not b @ main.sales.orders
## strings
+ concat('a', null), concat(1,2.5,true), concat(), concat('a'), concat('a', date'2024-01-01', 1.0D), 'a'||1, 'a' || null, 'a' || 'b' || 'c', concat_ws('-', 'a', null, 'b'), concat_ws(',',array('a',null,'b'),'c',null), concat_ws(null,'a'), concat_ws(','), concat_ws(',', array()), concat_ws('-', 1, 2.5), upper('aé'), lower('ÀB'), initcap('hELLO wORLD-foo bar_baz'), initcap('élan vital'), initcap('a  b'), length('abc '), length(''), length('é🦆'), len('abc'), char_length('é'), octet_length('é'), bit_length('abc'), length(x'0102'), reverse('abc'), reverse('é🦆'), ucase('a'), lcase('A')
+ substring('abc',0,2), substring('abc',-5,3), substring('abc',2,-1), substring('abc',2), substring('abc',-2), substring('abc',5), substr('abcdef',2,3), substring('abc' from 2 for 1), substring('abc' from 2), substr('abc', null), left('abc',2), left('abc',-1), left('abc',10), right('abc',0), right('abc',2), right('abc',5), right('abc',-1), left(null,1), substring(12345, 2, 2), substr('hello', '2'), substring('🦆ab', 2, 1)
+ lpad('abc',5,''), lpad('abc',2), lpad('abc',5), lpad('abc',6,'xy'), rpad('abc',-1,'x'), rpad('abc',6,'xy'), rpad('abc',2,'x'), lpad(7, 3, '0'), lpad(null, 3, '0'), repeat('ab',-1), repeat('ab',3), repeat('ab', 0), repeat(null, 2), space(2), concat('[', space(0), ']'), trim('  a '), trim(both 'x' from 'xax'), trim(leading from '  a'), trim(trailing 'a' from 'baa'), ltrim('  a'), rtrim('a  '), btrim('  a '), btrim('xyaxy', 'xy'), trim('xy' from 'xyaxy'), rtrim('x','aax'), ltrim('xxa','x'), ltrim('a', 'abc'), trim(both from ' b '), trim('\ta\n')
+ instr('abcabc','c'), instr('abc',''), instr('abc','z'), instr(null,'a'), locate('b','abcabc',3), locate('','abc'), locate('b','abc',0), locate('c','abc',-1), locate('b',null), locate('b','abc'), position('b','abc'), position('c' in 'abc'), position('a','aaa',2), contains('abc','b'), contains('abc',null), contains('abc',''), startswith('abc','a'), startswith('abc',''), endswith('abc','c'), endswith('abc','x'), find_in_set('b','a,b'), find_in_set('a,b','a,b'), find_in_set('','a,'), find_in_set(null,'a')
+ replace('abc','','x'), replace('abc','b'), replace('abcb','b','xx'), replace('abc','z','y'), replace(null,'a','b'), translate('abcab','aa','xy'), translate('abc','ab','x'), translate('abc','abc',''), translate('AaBb','ab','12'), overlay('Spark SQL' placing '_' from 6), overlay('Spark SQL', 'CORE', 7), overlay('Spark SQL', 'ANSI ', 7, 0), overlay('Spark SQL' placing 'tructured' from 2 for 4), ascii('A'), ascii(''), ascii('é'), ascii('abc'), chr(65), chr(0) = '', chr(321), chr(-1), char(97), elt(2,'a','b'), elt(1,'a',2), elt(3,'a','b'), elt(null,'a'), levenshtein('kitten','sitting'), levenshtein('', 'abc'), mask('AbCD123-@$#'), mask('AbC1','Q','q','d'), mask('AbC1', null, 'q'), mask('aB-1', 'X', 'x', 'n', '*'), soundex('Miller')
+ split('a,b,,c,,',','), split('abc',''), split('a1b2c3','[0-9]'), split('a.b.c','\\.',2), split(',a,',','), split('',','), split('a,b,c',',',-1), split('a,b,c',',',2), split('a|b','\\|'), split('a  b','\\s+'), split('a b c',' ')[1], split(null,','), split('aXbXc','X',0), split('one two', ' '), size(split('a-b-c','-')), split_part('a,b,c',',',-1), split_part('a,b',',',5), split_part('abc','',1), split_part('a,b',',',0), split_part('a,b,c',',',2), substring_index('a.b.c','.',2), substring_index('a.b.c','.',-2), substring_index('a.b.c','.',0), substring_index('abc','.',1), substring_index('a.b.c','',1), substring_index('a.b.c','.',10), substring_index('www.a.b','.',-1), split('a,b;c','[,;]'), split('2024-01-15','-')
+ format_number(1234567.891,0), format_number(2.5D,0), format_number(3.5,0), format_number(-1234.5,2), format_number(1.015,2), format_number(12345,2), format_number(1e15,2), format_number(0.5,0), format_number(null,2), format_number(1234567,0), format_number(0.1,3), format_string('%s is %d', 'Al', 3), format_string('%s', null), format_string('%s %s', 1.5, true), printf('%10s|','a'), printf('%-5s|','ab'), format_string('%.1f', 0.25D), format_string('%.2f', 3.14159D), format_string('%d', 5L), format_string('%%'), format_string('%5.1f|', 2.25D), format_string('%05d', 42), format_string('a{0}b')
+ hex(17), hex('Spark'), hex(-1), hex(x'0AFF'), unhex('537'), unhex('537061726B'), unhex('GG'), decode(unhex('537061726B'),'UTF-8'), encode('abc','utf-8'), base64('abc'), unbase64('YWJj'), md5('a'), sha1('a'), sha('a'), sha2('a',0), sha2('a',256), sha2('a',512), crc32('Spark'), hash('a'), xxhash64('a'), url_encode('https://a b.c/~*?x=é&y'), url_decode('https%3A%2F%2Fa+b'), decode(2,1,'a',2,'b','z'), decode(3,1,'a'), decode(null,null,'n','x'), decode(1, 1, 10, 2.5), luhn_check('4111111111111111'), to_binary('616263','hex'), md5(null), base64(null), string(x'414243')
+ to_number('454','999'), to_number('454.00','999.99'), to_number('12,454.8','99,999.9'), to_number('$78.12','$99.99'), try_to_number('abc','999'), try_to_number('12','99'), to_number('4545','999'), to_number('5','999'), try_to_number('12.5','99'), to_char(454,'999'), to_number(null,'99')
+ 'a' = 'A', 'a' = 'a ', 'abc' < 'abd', 'Z' < 'a', '' < 'a', 'é' > 'z', 'a' < 'B', lower('ABC') = 'abc', 'it''s', "it's", "say ""hi""", 'a' 'b', r'a\nb', 'a\tb', 'a\\b', 'a\'b', '\u0041', '\101', 'nl\n|', '\%', '\_', '\x', "dq'sq"
+ character_length('é'), overlay('abc' placing 'x' from 2 for 1), any(true), position('b' in 'abc')
## patterns
+ 'abc' like 'a%', 'abc' like '_b%', 'a%c' like 'a\\%c', 'abc' like 'a\\%c', 'abc' like 'ABC', 'abc' ilike 'ABC', 'a_c' like 'a|_c' escape '|', 'aXc' like 'a|_c' escape '|', 'aXc' like all ('a%','%c'), 'abc' like any ('x','a%'), 'abc' not like any ('x%','y%'), null like 'a', 'a' like null, '' like '%', '' like '', 'abc' not like 'b%', 'a\nb' like 'a_b', 'a\\b' like 'a\\\\b', 'abc' like 'a\\bc', 'É' ilike 'é', like('abc','a%'), ilike('ABC','a%'), 'abc' like 'abc%%', 'a.c' like 'a.c', 'abc' like 'a.c', 'ab' like 'a', not 'a' like 'a', 'abc' not ilike 'AB%'
+ 'abc' rlike 'b.', 'abc' rlike '^b', 'A' rlike '(?i)a', 'a\nb' rlike 'a.b', regexp_like('abc','^a'), rlike('abc','c$'), regexp('abc','x'), 'abc' regexp 'a|z', 'abc' not rlike 'z', null rlike 'a', 'a' rlike null, 'a1' rlike '\\d', 'a b' rlike '\\s', 'foo.bar' rlike 'o\\.b', 'ab' rlike '(?=b)', 'aa' rlike '(a)\\1', 'x-y' rlike '[a-z]-[a-z]', '' rlike '', 'abc' rlike '[[:alpha:]]', 'abc' rlike '[a-z&&[^b]]', 'a' rlike '(', 'tel 555-1234' rlike '\\d{3}-\\d{4}', 'é' rlike '\\w'
+ regexp_replace('100-200','(\\d+)','num'), regexp_replace('a1b2','([a-z])(\\d)','$2$1'), regexp_replace('abcabc','b','X',4), regexp_replace('abc','','-'), regexp_replace('abc','x*','-'), regexp_replace('a.b','\\.',''), regexp_replace(null,'a','b'), regexp_replace('Hello','l+','L'), regexp_replace('a  b','\\s+',' '), regexp_replace('price 5','(\\d)','\\$$1'), regexp_replace('AbC','[a-z]','*'), regexp_replace('ab','(?i)B','x'), regexp_replace('aaa','a','b')
+ regexp_extract('foo bar','(\\w+) (\\w+)'), regexp_extract('foo bar','(\\w+) (\\w+)',2), regexp_extract('foo','x',0), regexp_extract('foo','(x)'), regexp_extract('a','(b)?a',1), regexp_extract('foo','(o)',2), regexp_extract('foo','o',1), regexp_extract('100-200','(\\d+)-(\\d+)',0), regexp_extract(null,'a',0), regexp_extract('abc','[(]',0), regexp_extract_all('100-200, 300-400','(\\d+)-(\\d+)',2), regexp_extract_all('a1','\\d',0), regexp_extract_all('abc','\\d',0), regexp_extract_all('ab','(x)?b',1), regexp_extract_all('1a2b','(\\d)'), regexp_substr('abc','b.'), regexp_substr('abc','x'), regexp_instr('abcb','b'), regexp_count('a1a','a'), regexp_count('aaa','aa'), regexp_count('abc','x'), regexp_extract('user@x.com','@(.+)$',1), regexp_extract('k=v','(?<key>\\w)=(\\w)',2), regexp_extract('k=v', r'(\w)=(\w)', 1)
## math
+ ln(0), ln(-1), ln(10), log(-1), log(2,8), log(10,0), log(1,5), log10(0), log10(1000), log2(8), log1p(-1), log1p(1), sqrt(-1), sqrt(2), acos(2), exp(1), exp(0), expm1(1), pow(0,-1), pow(2,0.5), power(2,3), cbrt(27), hypot(3,4), sign(-1.5), sign(0), signum(5), factorial(5), factorial(21), factorial(-1), degrees(pi()), radians(180), atan2(1,1), cot(1), csc(1), sec(1), sinh(1), cosh(0), tanh(1), asinh(1), acosh(1), atanh(0.5), e(), pi(), sin(1), cos(1), tan(1), asin(1), atan(1), ln(null), sqrt('4'), pow('2', 3)
+ round(2.5), round(-2.5), round(2.5D), round(3.5D), round(-2.5D), round(2.345D,2), round(1.005D,2), round(2.345,2), round(25,-1), round(-25,-1), round(15,-1), round(1234.567,-2), round(1234.567D,-2), round(5), round(5,2), round(1e20,2), round(null,1), round(double('nan')), round(2.55, 1), round(0.5), round(1.5), round(-0.5), round(12345L,-3), round('2.5'), bround(2.5), bround(-2.5), bround(3.5), bround(2.345D,2), bround(2.5D), bround(25,-1), ceil(-1.2), ceil(1.5D), ceil(5), ceil(-0.5D), ceiling(1.1), floor(1.5D), floor(-1.2), floor(5L), ceil(3.1411,3), floor(-3.1411,2), ceil(1234,-2), rint(3.5), rint(2.5), rint(-2.5), floor(-1.5D), ceil('1.5')
+ abs(-5), abs(-1.5), abs(-1.5D), abs(null), abs(cast(-2147483648 as int)), negative(1), positive(2), pmod(-7,3), pmod(-7,-3), pmod(10.5,3), pmod(-7.5D,2), pmod(1,0), mod(-7,3), mod(7.5,2), mod(5,0), shiftleft(2,1), shiftright(-8,1), shiftleft(1,33), shiftleft(2147483647,1), shiftleft(1L,40), shiftrightunsigned(-8,1), bit_count(7), bit_count(-1), bit_get(5,0), getbit(5,1), bin(5), bin(-1), bin(0), conv('ff',16,10), conv('100',2,10), conv('zz',36,10), conv('12x',10,16), conv(10,10,2), conv('x',10,2), conv(null,10,2), conv('-10',16,-10), isnan(double('nan')), isnan(1), isnan(null), nanvl(1.5D,2), nanvl(double('nan'),5), width_bucket(5.3,0.2,10.6,5), rand() < 1, randn() is not null, random() >= 0, uniform(1,2) is not null
+ try_add(2147483647,1), try_add(1,2), try_subtract(1,2), try_subtract(date'2024-01-01',1), try_multiply(1000000,1000000), try_multiply(2,3.5), try_divide(1,0), try_divide(5,2), try_divide(1.5,0), try_divide(null,1), try_mod(5,0), try_mod(5,3), try_add(date'2024-01-01', interval 1 day), try_add('5',1), try_divide(interval 1 day, 2) is not null, try_add(1.5, 2)
## dates
+ current_date() = curdate(), now() = current_timestamp(), current_timezone(), date_add('2024-01-01', 1), date_add(timestamp'2024-01-01 10:00:00', 1), date_add(date'2024-01-01', '1'), date_add(date'2024-01-01', 1.5), date_add(date'2024-01-31', -31), date_sub('2024-01-01', 1), date_sub(null, 1), dateadd(date'2024-01-01',3), adddate(date'2024-01-01',3), date'2024-01-01' + 1, 1 + date'2024-01-01', date'2024-01-01' - 1, date'2024-01-02' - date'2024-01-01', date'2024-01-01' + 1L, date'2024-01-01' + 1.5, timestamp'2024-01-01 00:00:00' + 1, add_months(date'2024-01-31',1), add_months('2024-02-29',12), add_months(date'2024-01-31',-2), months_between(date'2024-03-31',date'2024-02-29'), months_between(timestamp'2024-03-15 12:00:00','2024-02-10'), months_between('1997-02-28 10:30:00','1996-10-30'), months_between('1997-02-28 10:30:00','1996-10-30',false), months_between('2024-01-01','2024-03-01'), next_day(date'2024-01-15','MON'), next_day('2024-01-15','friday'), next_day('2024-01-15','Tu'), next_day(date'2024-01-15','xx'), last_day('2024-02-03'), last_day(timestamp'2023-02-03 10:00:00'), make_date(2024,2,29), make_date(2024,2,30), make_date(null,1,1)
+ year('2024-01-01'), year(timestamp'2024-01-01 00:00:00'), month('2024-05-01'), day('2024-05-09'), dayofmonth(date'2024-05-09'), dayofyear(date'2024-12-31'), dayofweek(date'2024-01-14'), dayofweek('2024-01-20'), weekday(date'2024-01-14'), weekofyear(date'2024-12-30'), weekofyear('2021-01-03'), quarter('2024-05-01'), hour('2024-01-01 10:30:00'), hour(date'2024-01-01'), minute(timestamp'2024-01-01 10:30:45'), second(timestamp'2024-01-01 00:00:01.5'), dayname(date'2024-01-15'), monthname(date'2024-01-15'), year(null), year('bad'), hour('2024-01-01T10:30:00Z'), extract(YEAR FROM date'2024-05-06'), extract(QUARTER FROM date'2024-05-06'), extract(MONTH FROM timestamp'2024-05-06 01:02:03'), extract(WEEK FROM date'2024-05-06'), extract(DAY FROM date'2024-05-06'), extract(DOW FROM date'2024-05-06'), extract(DAYOFWEEK_ISO FROM date'2024-05-06'), extract(DOY FROM date'2024-05-06'), extract(HOUR FROM timestamp'2024-05-06 01:02:03'), extract(MINUTE FROM timestamp'2024-05-06 01:02:03'), extract(SECOND FROM timestamp'2024-05-06 01:02:03.5'), extract(YEAROFWEEK FROM date'2024-12-31'), extract(hours from interval '1 05:00:00' day to second), extract(month from interval '1-2' year to month), extract(days from interval 5 days), date_part('year', date'2024-05-06'), date_part('seconds', timestamp'2024-05-06 01:02:03.5'), date_part('epoch', date'2024-05-06'), date_part('w', date'2024-05-06'), datepart('doy', '2024-05-06')
+ datediff(date'2024-03-01','2024-02-01'), datediff('2024-01-01','2024-01-31'), datediff(timestamp'2024-01-02 00:00:00', timestamp'2024-01-01 23:59:59'), date_diff(date'2024-01-05',date'2024-01-01'), datediff(YEAR, date'2023-12-31', date'2024-12-30'), datediff(YEAR, date'2023-12-31', date'2024-12-31'), datediff(QUARTER, date'2024-01-01', date'2024-12-31'), datediff(WEEK, date'2024-01-01', date'2024-01-20'), datediff(DAY, '2024-01-01', '2024-02-01'), datediff(MINUTE, timestamp'2024-01-01 00:00:59', timestamp'2024-01-01 00:02:00'), timestampdiff(SECOND,'2024-01-01','2024-01-02'), timestampdiff(MONTH, date'2024-03-31', date'2024-02-29'), timestampdiff(MONTH, date'2024-01-31', date'2024-02-29'), timestampdiff(HOUR, timestamp'2024-01-02 00:00:00', timestamp'2024-01-01 00:30:00'), datediff(MONTH, timestamp'2024-01-31 10:00:00', timestamp'2024-02-29 10:00:00'), timestampdiff(MICROSECOND, timestamp'2024-01-01 00:00:00', timestamp'2024-01-01 00:00:01'), timestampdiff(MILLISECOND, timestamp'2024-01-01 00:00:00', timestamp'2024-01-01 00:00:01'), timestampadd(MONTH,1,date'2024-01-31'), dateadd(HOUR,1,date'2024-01-01'), date_add(MONTH, 1, timestamp'2024-01-31 10:00:00'), timestampadd(WEEK,-1,timestamp'2024-01-31 10:00:00'), dateadd(QUARTER,1,date'2024-01-31'), dateadd(YEAR,-1,date'2024-02-29'), timestampadd(SECOND, 90, '2024-01-01'), timestampadd(MILLISECOND, 5, timestamp'2024-01-01 00:00:00'), timestampadd(DAY, 1, timestamp_ntz'2024-01-01 00:00:00'), dateadd(MINUTE, '5', timestamp'2024-01-01 00:00:00'), timestampadd(FORTNIGHT, 1, date'2024-01-01')
+ trunc(date'2024-05-17','Q'), trunc(date'2024-05-17','QUARTER'), trunc('2024-05-17','week'), trunc(date'2024-05-17','bad'), trunc(date'2024-05-17','MON'), trunc(date'2024-05-17','yy'), trunc(date'2024-05-17','day'), trunc(timestamp'2024-05-17 10:00:00','month'), date_trunc('hour',timestamp'2024-01-15 10:45:00'), date_trunc('bad', timestamp'2024-01-15 10:45:00'), date_trunc('DD','2024-01-15 10:00:00'), date_trunc('year', date'2024-05-05'), date_trunc('millisecond', timestamp'2024-01-15 10:45:00.123456'), date_trunc('WEEK', timestamp'2024-01-14 10:45:00'), date_trunc('minute', timestamp'2024-01-15 10:45:30'), date_trunc('second', timestamp'2024-01-15 10:45:30.9'), date_trunc('mon', '2024-01-15'), date_trunc('MONTH', null), date_trunc('day', timestamp'2024-01-15 10:45:30')
+ unix_timestamp('2024-01-15 10:00:00'), unix_timestamp(timestamp'2024-01-15 10:00:00'), unix_timestamp(date'2024-01-15'), unix_timestamp('bad'), unix_timestamp('2024-01-15','yyyy-MM-dd'), to_unix_timestamp('2024-01-15','yyyy-MM-dd'), from_unixtime(0), from_unixtime(1705314600,'yyyy-MM-dd'), from_unixtime(1705314600L), from_unixtime(-1), timestamp_seconds(1.5), timestamp_seconds(-1), timestamp_micros(1), timestamp_millis(-1), unix_seconds(timestamp'1969-12-31 23:59:59.5'), unix_millis(timestamp'1969-12-31 23:59:59.9995'), unix_micros(timestamp'2024-01-01 00:00:00'), unix_date(date'1970-01-02'), unix_date(date'1969-12-31'), date_from_unix_date(1), to_timestamp(1705314600), from_unixtime(null)
+ make_timestamp(2024,1,15,10,30,45.5), make_timestamp(2024,1,15,10,30,60), make_timestamp(2024,1,15,10,30,45.5,'America/New_York'), make_timestamp(2024,13,15,10,30,45), make_timestamp(2024,1,15,24,0,0), make_timestamp(2024,1,15,10,30,45), make_dt_interval(1,2,3,4.5), make_dt_interval(1), timestamp'2024-01-01 10:00:00 America/New_York', timestamp'2024-01-01T10:00:00+02:00', timestamp_ntz'2024-01-01 10:00:00', date'2024-1-5', timestamp'2024-01-01', timestamp'bad', date'bad', DATE '2024-01-01', TIMESTAMP_LTZ '2024-01-01 00:00:00'
+ from_utc_timestamp(timestamp'2024-07-01 12:00:00','Europe/Berlin'), from_utc_timestamp('2024-01-01','+05:30'), from_utc_timestamp('2024-01-01','-08:00'), from_utc_timestamp('2024-01-01','UTC'), from_utc_timestamp('2024-01-01','GMT+1'), from_utc_timestamp('2024-01-01','EST'), from_utc_timestamp('2024-01-01','PST'), from_utc_timestamp('2024-01-01','Nowhere/Land'), to_utc_timestamp('2024-03-31 02:30:00','Europe/Berlin'), to_utc_timestamp('2024-10-27 02:30:00','Europe/Berlin'), to_utc_timestamp('2024-07-01 12:00:00','Asia/Tokyo'), to_utc_timestamp('2024-01-01 00:00:00','+01:00'), convert_timezone('America/New_York','UTC',timestamp_ntz'2024-01-01 00:00:00'), convert_timezone('Asia/Tokyo', timestamp_ntz'2024-01-01 00:00:00'), from_utc_timestamp(null,'UTC')
+ sequence(1,5), sequence(5,1), sequence(1,10,3), sequence(5,1,-2), sequence(1,1), sequence(1,5,-1), sequence(1,null), sequence(1L,3), sequence(date'2024-01-01',date'2024-03-01',interval 1 month), sequence(date'2024-01-31',date'2024-04-30',interval 1 month), sequence(date'2024-01-01',date'2024-01-03'), sequence(date'2024-01-03',date'2024-01-01'), sequence(date'2024-01-01',date'2024-01-10',interval 3 days), sequence(date'2024-01-01',date'2024-01-20',interval 1 week), sequence(timestamp'2024-01-01 00:00:00',timestamp'2024-01-01 02:00:00',interval 1 hour), sequence(date'2024-01-03',date'2024-01-01',interval -1 day), sequence(timestamp'2024-01-01 00:00:00',timestamp'2024-01-01 00:01:00',interval 30 seconds), size(sequence(1,100)), sequence(date'2024-01-01','2024-01-02')
## intervals
+ timestamp'2024-01-31 10:00:00' + interval 1 month, timestamp'2024-01-31 10:00:00' - interval 2 days, date'2024-03-31' - interval 1 month, date'2024-01-01' + interval '1 10' day to hour, date'2024-01-01' + interval 1 day, date'2024-01-01' + interval 1 week, date'2024-01-01' + interval 1 hour, interval 1 day + date'2024-01-01', date'2024-01-01' + interval '1' day, date'2024-01-01' + interval '1-2' year to month, date'2024-01-01' + interval 2 years, timestamp'2024-01-01 00:00:00' + interval 90 minutes, timestamp'2024-01-01 00:00:00' + interval '1 2:03:04' day to second, timestamp'2024-01-01 00:00:00' + interval 3 hours 2 minutes, date'2024-01-01' - interval '2' week, timestamp'2024-01-02 00:00:00' - timestamp'2024-01-01 00:00:00' > interval 1 hour, timestamp'2024-01-02 00:00:00' - date'2024-01-01' = interval 1 day, interval 1 day = interval 24 hours, interval '1' day = interval '24' hour, interval 1 month > interval 1 day, interval 1 year = interval 12 months, date'2024-01-01' + interval 1 day * 3, timestamp'2024-01-01 00:00:00' + (interval 1 day / 2), date'2024-01-01' + (interval 1 day + interval 1 day), 1 + interval 1 day, '2024-01-01' + interval 1 day, date'2024-01-31' + interval 1 month + interval 1 day, ts + interval 1 hour, d - interval 1 year, d + interval 1 month @ main.sales.orders
+ interval 1 day, interval 2 hours * 3, -interval 1 day, interval 1 day / 2, interval 1 day + interval 2 hours, date'2024-01-02' - date'2024-01-01', timestamp'2024-01-02 12:00:00' - timestamp'2024-01-01 00:00:00'
+ date'2024-01-01' + make_ym_interval(1,2), localtimestamp() is null, timestamp'2024-01-01 00:00:00' + make_dt_interval(1,2,3,4.5)
## formats
+ date_format(timestamp'2024-01-15 13:05:09.123456', 'yyyy-MM-dd HH:mm:ss'), date_format(ts,'y yy yyyy'), date_format(ts,'M MM MMM MMMM L LLL'), date_format(ts,'d dd D DDD'), date_format(ts,'E EEE EEEE'), date_format(ts,'H HH h hh k K'), date_format(ts,'m mm s ss'), date_format(timestamp'2024-01-15 13:05:09.123456','S SSS SSSSSS'), date_format(ts,'a Q q QQQ QQQQ'), date_format(ts,'z VV X XXX x xxx Z O G'), date_format(ts,'YYYY'), date_format(ts,'u'), date_format(ts,'w'), date_format(ts,'F'), date_format(ts,"yyyy''MM'T'"), date_format('2024-01-15','dd/MM'), date_format(d,'yyyy-MM-dd HH'), date_format(null,'yyyy'), date_format(ts,'MMM d, yyyy'), date_format(ts,'hh:mm a'), date_format(ts,'EEEE, dd MMMM yyyy'), date_format(ts,"dd.MM.yy 'at' HH'h'"), date_format(ts,'yyyyMMdd'), date_format(d, "yyyy-'Q'Q"), date_format(ts, ''), date_format(ts, customer), date_format(ts,'MMMMM'), date_format(ts, 'yyyy-MM-dd[ HH]'), date_format(timestamp'2024-01-15 00:05:09','h k K a'), date_format(timestamp'0099-01-15 00:05:09','yyyy') @ main.sales.orders WHERE id < 4
+ to_date('15/01/2024','dd/MM/yyyy'), to_date('2024-01-15'), to_date('bad'), to_date('Jan 5, 2024','MMM d, yyyy'), to_date('5/1/2024','d/M/yyyy'), to_date('15/1/2024','dd/MM/yyyy'), to_date('2024-02-30','yyyy-MM-dd'), to_date('2024-01-15xx','yyyy-MM-dd'), to_date(null,'yyyy'), to_date(timestamp'2024-01-15 10:00:00'), to_date('20240115','yyyyMMdd'), to_date('January 5 2024','MMMM d yyyy'), to_date('24-01-05','yy-MM-dd'), to_date('2024','yyyy'), to_date('01-2024','MM-yyyy'), to_date('2024-01-15 10:00:00'), to_date(20240115), to_date('15.01.2024','dd.MM.yyyy'), try_to_date('bad'), try_to_date('2024-01-15','yyyy-MM-dd'), try_to_date('x','yyyy'), to_date('2024-01-15', 'yyyy-MM-dd') = date'2024-01-15'
+ to_timestamp('2024-01-15 10:30','yyyy-MM-dd HH:mm'), to_timestamp('15-Jan-24 01:02 PM','dd-MMM-yy hh:mm a'), to_timestamp('2024','yyyy'), to_timestamp('2024-01-15T10:00:00.123Z', "yyyy-MM-dd'T'HH:mm:ss.SSSX"), to_timestamp('20240115','yyyyMMdd'), to_timestamp('10:30','HH:mm'), to_timestamp('2024-01-15 10:00:00.5','yyyy-MM-dd HH:mm:ss.SSS'), to_timestamp('Mon 2024-01-15','E yyyy-MM-dd'), to_timestamp('2024-01-15 10:00:00'), to_timestamp('bad'), to_timestamp('2024-01-15 25:00','yyyy-MM-dd HH:mm'), to_timestamp('2024-01-15 12:00 AM','yyyy-MM-dd hh:mm a'), to_timestamp('2024-01-15 12:30 PM','yyyy-MM-dd h:mm a'), to_timestamp(date'2024-01-15'), to_timestamp('2024-01-15 10:00:00+02:00','yyyy-MM-dd HH:mm:ssXXX'), try_to_timestamp('2024-13','yyyy-MM'), try_to_timestamp('bad'), try_to_timestamp('2024-01-15 10:00:00'), to_timestamp(null), to_timestamp('2024-01-15 10:00:00 America/New_York','yyyy-MM-dd HH:mm:ss VV'), to_timestamp_ntz('2024-01-15 10:00:00'), to_timestamp('01/15/2024 3:04:05 pm','MM/dd/yyyy h:mm:ss a'), to_timestamp('2024-01-15 10:00:00.123456','yyyy-MM-dd HH:mm:ss.SSSSSS')
## arrays
+ array(1,2)[0], array(1,2)[5], array(1,2)[-1], array(1,2)[null], array()[0], element_at(array(1,2), -1), element_at(array(1,2), 1), element_at(array(1,2), 5), element_at(array(1,2), 0), element_at(array('a'), -2), try_element_at(array(1,2),3), try_element_at(array(1,2),0), get(array(1,2),1), get(array(1,2),2), get(array(1,2),-1), size(null), size(array()), size(cast(null as array<int>)), cardinality(array(1)), array_size(array(1,2)), array(), array(null), array(1,null,3), array('a','b'), array(array(1),array(2,3)), array(1,2) = array(1,2), array(1) < array(2), array(1,2)[1L], array(1.5, 2)[1], tags[0], tags[1], size(tags), tags @ main.sales.orders WHERE id IN (1, 4)
+ array_contains(array(1,null), 2), array_contains(array(1,null),1), array_contains(array(1), 1L), array_contains(array(1.5), 1), array_contains(array('a'), null), array_contains(null, 1), array_contains(array(), 1), array_position(array(1,2),2), array_position(array(1,2),3), array_position(array(1,null),null), array_remove(array(1,2,1,null),1), array_remove(array(1),null), array_append(array(1),2), array_append(array(1),null), array_append(null,1), array_prepend(array(1),2), array_compact(array(1,null,2)), array_distinct(array(3,1,3,null,null,1)), array_union(array(1,2,2),array(3,2,null)), array_intersect(array(1,2,2,null),array(2,null)), array_except(array(1,2,2,3),array(3)), array_except(array(1,null),array(1)), arrays_overlap(array(1,2),array(2)), arrays_overlap(array(1,null),array(2)), arrays_overlap(array(1),array(2)), arrays_overlap(array(),array(null)), array_max(array(1,null,3)), array_max(array()), array_min(array(2,1,null)), array_max(array('a','b')), array_join(array('a',null,'b'),','), array_join(array('a',null,'b'),',','?'), array_join(array(),','), array_join(array(1,2),'-'), array_repeat('x',2), array_repeat(1,0), array_repeat(null,2), array_repeat('x',-1), array_insert(array(1,2),1,9)
+ sort_array(array(3,null,1)), sort_array(array(3,null,1),false), sort_array(array('b','a')), array_sort(array(3,null,1)), array_sort(array('b','a','C')), array_sort(array(3,1,2), (l,r) -> case when l < r then 1 when l > r then -1 else 0 end), array_sort(array('bb','a','ccc'), (l,r) -> length(l) - length(r)), array_sort(array(), (l,r) -> 0), reverse(array(1,2)), reverse(array()), flatten(array(array(1),array(2,3))), flatten(array(array(1),null)), flatten(array(array())), slice(array(1,2,3,4),2,2), slice(array(1,2,3),-2,2), slice(array(1,2,3),0,1), slice(array(1,2,3),1,-1), slice(array(1,2,3),5,1), slice(array(1,2,3),2,10), slice(array(1,2),-5,2), arrays_zip(array(1,2),array('a')), arrays_zip(tags, array(1)), concat(array(1),array(2)), concat(array(1), null), concat(array(1), array('2')), array(1,2) || array(3), shuffle(array(1)), sort_array(array(struct(2,'b'),struct(1,'a'))), array_distinct(array('a','A','a')), sort_array(array(2.5,1)) @ main.sales.orders WHERE id = 1
## lambdas
+ transform(array(1,2,3), x -> x + 1), transform(array(1,2), (x,i) -> x * i), transform(array('a','b'), x -> upper(x)), transform(array(), x -> x), transform(null, x -> x), transform(array(1,null), x -> x is null), transform(array(array(1,2),array(3)), a -> aggregate(a, 0, (s,x) -> s + x)), transform(array(1,2), x -> array(x, x * 2)), transform(array(1,2), x -> struct(x as a, x * 2 as b)), filter(array(1,2,3,null), x -> x > 1), filter(array(1,2,3), (x,i) -> i % 2 = 0), filter(array('a',null), x -> x is not null), exists(array(1,2), x -> x = 2), exists(array(1,null), x -> x = 2), exists(array(), x -> true), forall(array(1,2), x -> x > 0), forall(array(1,null), x -> x > 0), forall(array(), x -> false), any_match(array(1), x -> true), aggregate(array(1,2,3), 0, (a,x) -> a + x), aggregate(array(1,2,3), 0, (a,x) -> a + x, a -> a * 10), aggregate(array(), 5, (a,x) -> a + x), reduce(array(1,2), 1, (a,x) -> a * x), aggregate(array('a','b'), '', (a,x) -> a || x), aggregate(array(1.5,2.5), 0D, (a,x) -> a + x), aggregate(array(1,2), 0L, (a,x) -> a + x), aggregate(array(1L,2L), 0, (a,x) -> a + x), aggregate(null, 0, (a,x) -> a), aggregate(array(1,2), named_struct('s',0,'n',0), (a,x) -> named_struct('s',a.s+x,'n',a.n+1), a -> a.s / a.n), zip_with(array(1,2),array(3,4),(x,y) -> x * y), zip_with(array(1),array(3,4),(x,y) -> coalesce(x,0) + y), zip_with(array('a'),array(1),(x,y) -> struct(x,y)), transform(array(1,2), x -> x / 0), transform(tags, t -> concat(t, customer)), filter(tags, t -> t <> 'a'), size(filter(tags, t -> t = 'a')), transform(sequence(1,3), i -> date_add(d, i)), transform(array(1,2,3), x -> (select 1)), exists(tags, t -> t = 'c') @ main.sales.orders WHERE id IN (1, 5)
## maps
+ map('a',1,'b',2), map('a',1)['a'], map('a',1)['z'], map(), map(1,'a',2L,'b'), map('a',1,'a',2), map(null,1), map('a'), element_at(map('a',1),'b'), element_at(map(1,'x'),1), try_element_at(map('a',1),'b'), map_keys(map('a',1,'b',2)), map_values(map('a',1,'b',null)), map_entries(map('a',1)), map_keys(null), map_from_arrays(array('a','b'),array(1,2)), map_from_arrays(array('a'),array(1,2)), map_from_entries(array(struct('a',1),struct('b',2))), map_concat(map('a',1),map('b',2)), map_concat(map('a',1),map('a',2)), map_concat(map('a',1),null), map_contains_key(map('a',1),'a'), map_contains_key(map('a',1),'b'), str_to_map('a:1,b:2'), str_to_map('a=1;b','; ','='), str_to_map('a=1;b',';','='), str_to_map('a:1:2'), str_to_map(null), size(map('a',1)), map_filter(map('a',1,'b',2),(k,v) -> v > 1), map_filter(map('a',1),(k,v) -> k = 'z'), transform_keys(map('a',1),(k,v) -> upper(k)), transform_values(map('a',1),(k,v) -> v + 1), transform_values(map('a',1),(k,v) -> concat(k,v)), map_zip_with(map('a',1),map('a',2),(k,x,y) -> x + y), props['k1'], props.k1, size(props), map_keys(props), props @ main.sales.orders WHERE id IN (1, 2)
## structs
+ named_struct('a',1,'b','x'), struct(1,'a'), struct(id, qty as q), named_struct('a',1).a, struct(1,2).col2, addr.city, addr.CITY, addr['zip'], addr, addr.*, struct(id, customer).customer, (id, customer), named_struct('a',named_struct('b',5)).a.b, addr = addr, addr is null, named_struct('a',1) = named_struct('a',1), struct(1,2) < struct(1,3), array(named_struct('x',1),named_struct('x',2)).x, addr.nope, struct(*),  named_struct('a', null) @ main.sales.orders WHERE id IN (1, 3)
## json
+ get_json_object(js,'$.a.b'), get_json_object(js,'$.a'), get_json_object(js,'$.arr[1]'), get_json_object(js,'$.arr'), get_json_object(js,'$.zzz'), get_json_object(js,'$'), get_json_object(js,'$.arr[*]'), get_json_object('bad','$.a'), get_json_object('{"a":1.50,"b":true,"c":null}','$.a'), get_json_object('{"a":1.50,"b":true,"c":null}','$.b'), get_json_object('{"a":1.50,"b":true,"c":null}','$.c'), get_json_object('{"a b":1}',"$['a b']"), get_json_object('{"a":"x\\"y"}','$.a'), get_json_object('[1,[2,3]]','$[1][0]'), get_json_object(null,'$.a'), get_json_object('{"a":[{"b":1},{"b":2}]}','$.a[1].b'),  get_json_object('{"A":1}','$.a'), get_json_object('{"a":{"b":[1,2]}}','$.a.b'), get_json_object(js,'a'), get_json_object('{"a":"é"}','$.a'), get_json_object('{"a":1e5}','$.a') @ main.sales.orders WHERE id IN (1, 3)
+ from_json('{"a":1,"b":"x"}','a INT, b STRING'), from_json('{"a":"z"}','a INT'), from_json('{"a":1.5}','a INT'), from_json('{"a":"5"}','a INT'), from_json('bad','a INT'), from_json(null,'a INT'), from_json('{}','a INT'), from_json('{"a":{"b":[1,2]}}','a STRUCT<b: ARRAY<INT>>').a.b, from_json('[1,2]','ARRAY<INT>'), from_json('{"x":1,"y":2}','MAP<STRING,INT>'), from_json('{"d":"2024-01-15","t":"2024-01-15T10:00:00Z"}','d DATE, t TIMESTAMP'), from_json('{"a":true,"b":1.25}','a BOOLEAN, b DOUBLE'), from_json('{"a":1}','a STRING').a, from_json('{"a":{"b":1}}','a STRING').a, from_json('{"a":12.345}','a DECIMAL(5,2)').a, from_json('[{"a":1},{"a":2}]','ARRAY<STRUCT<a:INT>>'), from_json('{"a":3000000000}','a INT').a, from_json('{"a":1}','struct<a:int>').a, from_json('{"a":null}','a INT'), from_json('{"A":1}','a INT').a, from_json('', 'a INT'), from_json('[{"a":1}]','a INT'), from_json('{"a":1', 'a INT')
+ to_json(struct(1 as a, 'x' as b)), to_json(named_struct('a',null,'b',2)), to_json(array(1,null)), to_json(map('a',1)), to_json(map('a',null)), to_json(named_struct('d',date'2024-01-15','t',timestamp'2024-01-15 10:30:45.123')), to_json(named_struct('a',1.50,'b',1.0D,'c',true)), to_json(struct(array(1,2) as x, named_struct('y','q"z') as s)), to_json(array(named_struct('a',1))), to_json(named_struct('a','line\nbreak')), to_json(named_struct('a',1e20)), to_json(1), to_json(named_struct('a','é/')), json_array_length('[1,2,[3]]'), json_array_length('{"a":1}'), json_array_length('bad'), json_array_length(null), json_object_keys('{"a":1,"b":{"c":2}}'), json_object_keys('[1]'), json_object_keys('bad'), schema_of_json('{"a":1}'), to_json(addr), to_json(tags), to_json(props) @ main.sales.orders WHERE id IN (1, 3)
+ parse_json('{"a":[1,2]}'):a[0]::int, parse_json('{"a":"x"}'):a::string, parse_json('{"a":1.5}'):a::double, variant_get(parse_json('{"x":5}'),'$.x','int'), variant_get(parse_json('{"x":5}'),'$.y','int'), variant_get(parse_json('{"x":"abc"}'),'$.x','int'), try_variant_get(parse_json('{"x":"abc"}'),'$.x','int'), try_parse_json('bad') is null, is_variant_null(parse_json('null')), is_variant_null(parse_json('1')), cast(parse_json('5') as int), parse_json('{"a":true}'):a::boolean, to_json(parse_json('{"a": 1}')), parse_json('{"a":{"b":"c"}}'):a.b::string, variant_get(parse_json('{"a":[1,2]}'),'$.a','array<int>'), parse_json('bad'), parse_json('{"a":null}'):a is null, cast(parse_json('"5"') as int), cast(parse_json('1.7') as int), parse_json('{"t":"2024-01-15"}'):t::date, schema_of_variant(parse_json('1'))
## misc
+ typeof(1), typeof(1.5), typeof(array(1)), typeof(null), typeof(map('a',1)), typeof(now()), typeof(interval 1 day), uuid() is not null, length(uuid()), raise_error('boom'), assert_true(true), assert_true(false), current_user() is not null, current_catalog() is not null, version() is not null, monotonically_increasing_id(), input_file_name(), spark_partition_id(), nosuchfunction(1), upper(), upper('a','b'), abs('x'), coalesce(), current_date is not null, current_timestamp is not null, hash(1), isnan('x')
## select
SELECT 1
SELECT 1 AS a, 2 AS a
SELECT * FROM main.sales.customers
SELECT id FROM main.sales.orders ORDER BY id DESC
SELECT o.id, c.tier FROM main.sales.orders o JOIN main.sales.customers c ON o.customer = c.name ORDER BY o.id
SELECT id AS `my id`, `customer` FROM main.sales.orders ORDER BY `my id`
SELECT *, id + 1 AS next FROM main.sales.customers, (SELECT 1 AS id)
SELECT * EXCEPT (tags, props, addr, js) FROM main.sales.orders ORDER BY id
SELECT o.* EXCEPT (o.tags, o.props, o.addr, o.js, ts) FROM main.sales.orders o ORDER BY id
SELECT DISTINCT customer FROM main.sales.orders ORDER BY customer
SELECT DISTINCT b, customer FROM main.sales.orders ORDER BY customer, b
SELECT ALL b FROM main.sales.orders ORDER BY b
SELECT DISTINCT customer FROM main.sales.orders ORDER BY customer DESC LIMIT 2
SELECT qty*2 AS dbl, dbl+1 AS plus, plus*dbl AS prod FROM main.sales.orders WHERE id=1
SELECT qty AS id, id + 1 AS x FROM main.sales.orders WHERE id = 1
SELECT id x FROM main.sales.orders WHERE x = 1
SELECT nope FROM main.sales.orders
SELECT o.nope FROM main.sales.orders o
SELECT name FROM main.sales.orders
SELECT id FROM main.sales.orders o JOIN main.sales.orders p ON o.id = p.id
SELECT id FROM main.sales.nosuch
SELECT ID, CUSTOMER FROM main.sales.orders WHERE Id = 1
SELECT count(*) FROM (SELECT * FROM main.sales.orders WHERE qty > 0) t
SELECT t.x FROM (SELECT id AS x FROM main.sales.orders) AS t WHERE t.x > 3 ORDER BY 1
SELECT a, b FROM VALUES (1, 'x'), (2, 'y') AS t(a, b) ORDER BY a DESC
SELECT col1, col2 FROM VALUES (1, 'x'), (2, 'y') ORDER BY col1
VALUES (1, 'a'), (2, 'b') ORDER BY 1 DESC
SELECT * FROM range(3)
SELECT id * 2 AS d FROM range(1, 6, 2) ORDER BY d
SELECT * FROM range(5, 0, -2) ORDER BY id
SELECT r.id FROM range(2) r ORDER BY r.id
TABLE main.sales.customers
FROM main.sales.customers SELECT name ORDER BY name
SELECT id FROM main.sales.orders ORDER BY id LIMIT 2
SELECT id FROM main.sales.orders ORDER BY id OFFSET 3
SELECT id FROM main.sales.orders ORDER BY id LIMIT 1 + 1
SELECT id FROM main.sales.orders ORDER BY id LIMIT ALL
SELECT id FROM main.sales.orders ORDER BY id LIMIT 0
SELECT id FROM main.sales.orders LIMIT -1
SELECT id FROM main.sales.orders ORDER BY amount DESC NULLS FIRST
SELECT id FROM main.sales.orders ORDER BY amount NULLS LAST, id
SELECT id, customer FROM main.sales.orders ORDER BY customer DESC, id DESC
SELECT id FROM main.sales.orders ORDER BY qty * -1
SELECT id FROM main.sales.orders ORDER BY length(customer), id
SELECT id AS x FROM main.sales.orders ORDER BY x + 1 DESC
SELECT customer AS id, id AS n FROM main.sales.orders ORDER BY id, n
SELECT id FROM main.sales.orders ORDER BY 2
SELECT id, qty FROM main.sales.orders ORDER BY 2, 1
SELECT id, f FROM main.sales.orders ORDER BY f
SELECT id, b FROM main.sales.orders ORDER BY b, id
SELECT id FROM main.sales.orders ORDER BY ts DESC, id
SELECT id, tags FROM main.sales.orders ORDER BY tags, id
SELECT id FROM main.sales.orders SORT BY id DESC
SELECT id FROM main.sales.orders CLUSTER BY id
SELECT /*+ REPARTITION(2) */ id FROM main.sales.orders ORDER BY id
SELECT id FROM main.sales.orders WHERE customer IS NULL
SELECT id FROM main.sales.orders WHERE amount > 10 AND qty < 5 ORDER BY id
SELECT id FROM main.sales.orders WHERE NOT (amount > 10) ORDER BY id
SELECT id FROM main.sales.orders WHERE amount BETWEEN 5 AND 20 ORDER BY id
SELECT id FROM main.sales.orders WHERE customer IN ('Alice', 'Carol') ORDER BY id
SELECT id FROM main.sales.orders WHERE customer NOT IN ('Alice') ORDER BY id
SELECT id FROM main.sales.orders WHERE customer NOT IN ('Alice', NULL)
SELECT id FROM main.sales.orders WHERE b ORDER BY id
SELECT id FROM main.sales.orders WHERE NOT b ORDER BY id
SELECT id FROM main.sales.orders WHERE d >= '2024-02-01' ORDER BY id
SELECT id FROM main.sales.orders WHERE ts < '2024-01-15 11:00:00' ORDER BY id
SELECT id FROM main.sales.orders WHERE year(d) = 2024 AND month(d) = 1 ORDER BY id
SELECT id FROM main.sales.orders WHERE addr.city = 'Berlin' ORDER BY id
SELECT id FROM main.sales.orders WHERE props['k1'] = 'v1'
SELECT id FROM main.sales.orders WHERE array_contains(tags, 'a') ORDER BY id
SELECT id FROM main.sales.orders WHERE customer LIKE '%l%' ORDER BY id
SELECT id FROM main.sales.orders WHERE sum(qty) > 1
SELECT id FROM main.sales.orders WHERE qty
SELECT id FROM main.sales.orders WHERE customer = :cust ORDER BY id
SELECT id FROM main.sales.orders WHERE qty > :q ORDER BY id
SELECT :q + 1, upper(:cust), concat(:cust, '!')
SELECT id FROM main.sales.orders ORDER BY id LIMIT :q
SELECT id, row_number() OVER (ORDER BY id) AS rn FROM main.sales.orders WHERE rn = 1
SELECT 'a' AS x, 1 x2, current_date() IS NULL y
SELECT id, addr.* FROM main.sales.orders WHERE id = 1
SELECT CASE WHEN amount IS NULL THEN 'none' WHEN amount > 50 THEN 'high' ELSE 'low' END AS band, count(*) FROM main.sales.orders GROUP BY band ORDER BY band
SELECT CASE customer WHEN 'Alice' THEN 1 WHEN 'bob' THEN 2 END FROM main.sales.orders ORDER BY id
SELECT id /* a comment */ FROM main.sales.orders WHERE id = 1 -- the end
## joins
SELECT o.id, c.name FROM main.sales.orders o LEFT JOIN main.sales.customers c ON o.customer = c.name ORDER BY o.id
SELECT o.id, c.name FROM main.sales.orders o RIGHT JOIN main.sales.customers c ON o.customer = c.name AND o.qty > 2 ORDER BY c.name, o.id
SELECT o.id, c.name FROM main.sales.orders o FULL OUTER JOIN main.sales.customers c ON o.customer = c.name AND c.tier = 2 ORDER BY o.id, c.name
SELECT count(*) FROM main.sales.orders CROSS JOIN main.sales.customers
SELECT count(*) FROM main.sales.orders, main.sales.customers
SELECT count(*) FROM main.sales.orders o, main.sales.customers c WHERE o.customer = c.name
SELECT o.id FROM main.sales.orders o SEMI JOIN main.sales.customers c ON o.customer = c.name ORDER BY 1
SELECT o.id FROM main.sales.orders o ANTI JOIN main.sales.customers c ON o.customer = c.name ORDER BY 1
SELECT o.id, c.tier FROM main.sales.orders o LEFT SEMI JOIN main.sales.customers c ON o.customer = c.name
SELECT * FROM (SELECT 1 AS a, 2 AS b) x JOIN (SELECT 1 AS a, 3 AS c) y USING (a)
SELECT * FROM (SELECT 1 AS a, 2 AS b) x NATURAL JOIN (SELECT 1 AS a, 3 AS c) y
SELECT a, x.a AS xa, y.a AS ya FROM (SELECT 1 AS a) x FULL JOIN (SELECT 2 AS a) y USING (a) ORDER BY a
SELECT a, x.a AS xa, y.a AS ya FROM (SELECT 1 AS a) x LEFT JOIN (SELECT 2 AS a) y USING (a)
SELECT a, x.a AS xa, y.a AS ya FROM (SELECT 1 AS a) x RIGHT JOIN (SELECT 2 AS a) y USING (a)
SELECT * FROM (SELECT 1 AS a, 'p' AS p) x RIGHT JOIN (SELECT 2 AS a, 'q' AS q) y USING (a)
SELECT * FROM (SELECT 1 AS a) x LEFT ANTI JOIN (SELECT 2 AS a) y USING (a)
SELECT o1.id, o2.id FROM main.sales.orders o1 JOIN main.sales.orders o2 ON o1.customer = o2.customer AND o1.id < o2.id
SELECT o1.id FROM main.sales.orders o1 JOIN main.sales.orders o2 ON o1.customer <=> o2.customer ORDER BY o1.id
SELECT x.id, y.tier, z.k FROM main.sales.orders x JOIN main.sales.customers y ON x.customer = y.name JOIN (SELECT 1 AS k) z ON y.tier = z.k ORDER BY x.id
SELECT o.id FROM main.sales.orders o JOIN main.sales.customers c ON o.id = '1' AND c.tier = 1
SELECT c.name, t.n FROM main.sales.customers c, LATERAL (SELECT count(*) AS n FROM main.sales.orders o WHERE o.customer = c.name) t ORDER BY c.name
SELECT c.name, t.id FROM main.sales.customers c LEFT JOIN LATERAL (SELECT id FROM main.sales.orders o WHERE o.customer = c.name AND o.qty > 2) t ON true ORDER BY c.name, t.id
SELECT c.name, t.id FROM main.sales.customers c CROSS JOIN LATERAL (SELECT id FROM main.sales.orders o WHERE o.customer = c.name ORDER BY id LIMIT 1) t ORDER BY c.name
SELECT * FROM (SELECT 1 AS a) JOIN (SELECT 2 AS b) ON true
SELECT sales_o.id FROM main.sales.orders AS sales_o WHERE sales_o.id < 3 ORDER BY sales_o.id
SELECT x.a, y.a FROM (VALUES (1), (NULL)) x(a) LEFT JOIN (VALUES (1), (NULL)) y(a) ON x.a = y.a ORDER BY x.a
SELECT x.a FROM (VALUES (1), (NULL)) x(a) LEFT ANTI JOIN (VALUES (1), (NULL)) y(a) ON x.a = y.a
SELECT count(*) FROM (VALUES (1), (2)) x(a) FULL JOIN (VALUES (2), (3)) y(b) ON x.a = y.b WHERE x.a IS NULL OR y.b IS NULL
SELECT * FROM (main.sales.customers c JOIN (SELECT 1 AS t) u ON c.tier = u.t)
## subqueries
SELECT id FROM main.sales.orders WHERE customer IN (SELECT name FROM main.sales.customers WHERE tier = 1) ORDER BY id
SELECT id FROM main.sales.orders WHERE customer NOT IN (SELECT name FROM main.sales.customers) ORDER BY id
SELECT id FROM main.sales.orders WHERE id NOT IN (SELECT amount FROM main.sales.orders)
SELECT id FROM main.sales.orders o WHERE EXISTS (SELECT 1 FROM main.sales.customers c WHERE c.name = o.customer) ORDER BY id
SELECT id FROM main.sales.orders o WHERE NOT EXISTS (SELECT 1 FROM main.sales.customers c WHERE c.name = o.customer) ORDER BY id
SELECT id, (SELECT max(tier) FROM main.sales.customers) AS m FROM main.sales.orders ORDER BY id
SELECT id, (SELECT tier FROM main.sales.customers c WHERE c.name = o.customer) AS t FROM main.sales.orders o ORDER BY id
SELECT (SELECT id FROM main.sales.orders)
SELECT (SELECT id FROM main.sales.orders WHERE false)
SELECT (SELECT id, qty FROM main.sales.orders WHERE id = 1)
SELECT id FROM main.sales.orders WHERE amount = (SELECT max(amount) FROM main.sales.orders)
SELECT id FROM main.sales.orders WHERE (id, qty) IN (SELECT id, qty FROM main.sales.orders WHERE b) ORDER BY id
SELECT name, (SELECT count(*) FROM main.sales.orders o WHERE o.customer = c.name) AS n FROM main.sales.customers c ORDER BY name
SELECT name, (SELECT sum(qty) FROM main.sales.orders o WHERE o.customer = c.name AND o.qty > 100) AS n FROM main.sales.customers c ORDER BY name
SELECT count(*) FROM main.sales.orders WHERE qty > (SELECT avg(qty) FROM main.sales.orders)
SELECT id IN (SELECT tier FROM main.sales.customers) AS x FROM main.sales.orders ORDER BY id
SELECT EXISTS (SELECT 1 WHERE false) AS e
SELECT customer, sum(qty) FROM main.sales.orders GROUP BY customer HAVING sum(qty) > (SELECT min(tier) FROM main.sales.customers) ORDER BY customer
SELECT id FROM main.sales.orders WHERE customer = ANY (SELECT name FROM main.sales.customers)
## ctes
WITH t AS (SELECT 1 AS a) SELECT * FROM t
WITH t(x, y) AS (SELECT 1, 2) SELECT y, x FROM t
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT a.x, b.x FROM a, b
WITH t AS (SELECT id FROM main.sales.orders) SELECT count(*) FROM t WHERE id > (SELECT avg(id) FROM t)
WITH t AS (WITH u AS (SELECT 5 AS z) SELECT z FROM u) SELECT z FROM t
SELECT * FROM (WITH t AS (SELECT 1 AS a) SELECT a FROM t)
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r ORDER BY n
WITH RECURSIVE f(a, b, n) AS (SELECT 0, 1, 1 UNION ALL SELECT b, a + b, n + 1 FROM f WHERE n < 10) SELECT a FROM f ORDER BY n
WITH RECURSIVE r AS (SELECT 1 AS n, 'a' AS s UNION ALL SELECT n + 1, concat(s, 'a') FROM r WHERE n < 3) SELECT * FROM r ORDER BY n
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 200) SELECT max(n) FROM r
WITH RECURSIVE tree(id, lvl) AS (SELECT 1, 0 UNION ALL SELECT o.id, t.lvl + 1 FROM main.sales.orders o JOIN tree t ON o.id = t.id + 1 WHERE t.lvl < 3) SELECT * FROM tree ORDER BY id
WITH orders AS (SELECT 99 AS id) SELECT id FROM orders
WITH t AS (SELECT 1 AS a UNION ALL SELECT 2) SELECT sum(a) FROM t
WITH t AS (SELECT 1 AS a), t AS (SELECT 2 AS a) SELECT * FROM t
## setops
SELECT 1 AS a UNION SELECT 1
SELECT 1 AS a UNION ALL SELECT 1
SELECT id FROM main.sales.orders INTERSECT SELECT tier FROM main.sales.customers ORDER BY 1
SELECT id FROM main.sales.orders EXCEPT SELECT tier FROM main.sales.customers ORDER BY id
SELECT customer FROM main.sales.orders EXCEPT ALL SELECT name FROM main.sales.customers ORDER BY 1
SELECT customer FROM main.sales.orders INTERSECT ALL SELECT customer FROM main.sales.orders ORDER BY 1
SELECT b FROM main.sales.orders MINUS SELECT true
SELECT 1 UNION SELECT 2 INTERSECT SELECT 2 ORDER BY 1
(SELECT id FROM main.sales.orders ORDER BY id LIMIT 1) UNION ALL (SELECT id FROM main.sales.orders ORDER BY id DESC LIMIT 1) ORDER BY 1
SELECT 1, 2 UNION SELECT 1
SELECT id, customer FROM main.sales.orders WHERE id < 3 UNION ALL SELECT tier, name FROM main.sales.customers ORDER BY id, customer
SELECT null AS x UNION SELECT null
SELECT array(1) UNION ALL SELECT array(2.5)
SELECT 1 AS a UNION ALL SELECT 2 ORDER BY a DESC LIMIT 1
SELECT cast(1 as decimal(5,2)) UNION ALL SELECT cast(2.555 as decimal(6,3)) ORDER BY 1
SELECT a FROM (SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3) WHERE a > 1 ORDER BY a
SELECT 1 AS a UNION BY NAME SELECT 2 AS a
## grouping
SELECT customer, count(*) FROM main.sales.orders GROUP BY customer ORDER BY customer
SELECT customer c, sum(qty) s FROM main.sales.orders GROUP BY c ORDER BY c
SELECT customer, sum(qty) FROM main.sales.orders GROUP BY 1 ORDER BY 1
SELECT year(d), count(*) FROM main.sales.orders GROUP BY year(d) ORDER BY 1
SELECT year(d) + 1, count(*) FROM main.sales.orders GROUP BY year(d) ORDER BY 1
SELECT upper(customer) u, max(amount) FROM main.sales.orders GROUP BY upper(customer) ORDER BY u
SELECT customer, qty FROM main.sales.orders GROUP BY customer
SELECT customer FROM main.sales.orders GROUP BY ALL ORDER BY 1
SELECT count(*), sum(qty) FROM main.sales.orders GROUP BY ALL
SELECT customer, b, count(*) FROM main.sales.orders GROUP BY customer, b HAVING count(*) = 1 ORDER BY customer, b
SELECT customer, sum(qty) AS s FROM main.sales.orders GROUP BY customer HAVING s > 2 ORDER BY s
SELECT count(*) FROM main.sales.orders HAVING count(*) > 100
SELECT sum(qty) FROM main.sales.orders WHERE false
SELECT customer, sum(qty) FROM main.sales.orders WHERE false GROUP BY customer
SELECT sum(qty) FROM main.sales.orders ORDER BY sum(qty)
SELECT customer FROM main.sales.orders GROUP BY customer ORDER BY sum(qty) DESC, customer
SELECT customer, b, sum(qty) FROM main.sales.orders GROUP BY CUBE(customer, b) ORDER BY 1, 2, 3
SELECT customer, b, sum(qty), grouping(customer), grouping(b), grouping_id(customer, b) FROM main.sales.orders GROUP BY GROUPING SETS ((customer), (b), ()) ORDER BY 1, 2, 3
SELECT customer, count(*) FROM main.sales.orders GROUP BY customer WITH ROLLUP ORDER BY 1, 2
SELECT customer, b, count(*) FROM main.sales.orders GROUP BY customer, b WITH CUBE ORDER BY 1, 2, 3
SELECT customer, b, count(*) FROM main.sales.orders GROUP BY customer, ROLLUP(b) ORDER BY 1, 2, 3
SELECT coalesce(customer, 'ALL') c, count(*) FROM main.sales.orders GROUP BY ROLLUP(customer) ORDER BY 1, 2
SELECT b, count(*) FILTER (WHERE qty > 1), count(*) FROM main.sales.orders GROUP BY b ORDER BY b
SELECT sum(sum(qty)) FROM main.sales.orders GROUP BY customer
SELECT count(*) FROM main.sales.orders GROUP BY 5
SELECT sum(qty) FROM main.sales.orders GROUP BY 1
SELECT 1, count(*) FROM main.sales.orders GROUP BY 1
SELECT 'x' AS k, count(*) FROM main.sales.orders GROUP BY k
SELECT addr.city, count(*) FROM main.sales.orders GROUP BY addr.city ORDER BY 1
SELECT date_trunc('month', ts) m, count(*) FROM main.sales.orders GROUP BY m ORDER BY m
SELECT tags, count(*) FROM main.sales.orders GROUP BY tags ORDER BY 2, 1
SELECT customer, collect_list(id) FROM main.sales.orders GROUP BY customer ORDER BY customer
SELECT CASE WHEN qty > 2 THEN 'hi' ELSE 'lo' END g, count(*) FROM main.sales.orders GROUP BY CASE WHEN qty > 2 THEN 'hi' ELSE 'lo' END ORDER BY g
SELECT amount / 2 AS h, count(*) FROM main.sales.orders GROUP BY amount / 2 ORDER BY h
SELECT substr(customer, 1, 1) AS f, count(*) FROM main.sales.orders GROUP BY substr(customer, 1, 1) ORDER BY f
SELECT concat(customer, '-', b) AS k, sum(qty) FROM main.sales.orders GROUP BY customer, b ORDER BY k, 2
SELECT customer, sum(qty) / count(*) AS r, round(avg(amount), 1) FROM main.sales.orders GROUP BY customer ORDER BY customer
SELECT max(struct(qty, id)).id FROM main.sales.orders
SELECT customer, any_value(b) IS NOT NULL FROM main.sales.orders WHERE b IS NOT NULL GROUP BY customer ORDER BY customer
## aggregates
+ count(*), count(1), count(customer), count(DISTINCT customer), count(DISTINCT customer, b), count(customer, amount), count(null), sum(qty), sum(amount), sum(f), sum(DISTINCT qty), avg(qty), avg(amount), avg(f), mean(qty), min(customer), max(customer), min(d), max(ts), min(amount), max(f), min(b), max(b), sum(null), avg(null), count_if(qty > 1), bool_and(b), bool_or(b), every(b), some(b), any(b), bit_and(qty), bit_or(qty), bit_xor(qty), sum('5'), sum(qty) FILTER (WHERE b), avg(amount) FILTER (WHERE qty > 1), count(DISTINCT b) FILTER (WHERE qty > 0), sum(customer), max(tags), sum(1), sum(1.5), avg(1.5), sum(amount + qty) @ main.sales.orders
+ first(qty), first(amount), first(customer, true), last(customer), last(customer, true), first_value(id), last_value(id), any_value(id), first(amount) IGNORE NULLS, any_value(amount, true), collect_list(customer), sort_array(collect_list(qty)), sort_array(collect_set(customer)), array_sort(collect_set(b)), array_agg(id), collect_list(id) FILTER (WHERE b), size(collect_set(qty)), collect_list(DISTINCT b), max_by(id, qty), min_by(customer, qty), max_by(amount, id), max_by(id, amount), min_by(id, amount), max_by(customer, d), approx_count_distinct(b), array_join(collect_list(customer), ','), collect_list(struct(id, qty)) @ main.sales.orders
+ stddev(qty), stddev_samp(qty), stddev_pop(qty), variance(qty), var_samp(qty), var_pop(qty), std(f), corr(qty, f), covar_samp(qty, f), covar_pop(qty, f), skewness(qty), kurtosis(qty), regr_count(qty, f), regr_slope(qty, f), regr_intercept(qty, f), regr_r2(qty, f), regr_avgx(qty, f), regr_avgy(qty, f), regr_sxx(qty, f), regr_sxy(qty, f), regr_syy(qty, f), stddev(amount), percentile(qty, 0.5), percentile(qty, 0.25), percentile(amount, array(0.25, 0.75)), percentile(f, 1.0), percentile_cont(0.5) WITHIN GROUP (ORDER BY amount), percentile_cont(0.25) WITHIN GROUP (ORDER BY qty DESC), percentile_disc(0.5) WITHIN GROUP (ORDER BY qty), percentile_disc(0.3) WITHIN GROUP (ORDER BY qty), percentile_disc(0.3) WITHIN GROUP (ORDER BY qty DESC), percentile_disc(0.75) WITHIN GROUP (ORDER BY amount), percentile_approx(qty, 0.5), approx_percentile(amount, 0.5), percentile_approx(qty, array(0.25,0.5,0.75)), percentile_approx(qty, 0.5, 100), percentile_approx(id, 0.1), median(qty), median(amount), mode(customer), percentile_cont(array(0.25,0.75)) WITHIN GROUP (ORDER BY qty), percentile(qty, 1.5), histogram_numeric(qty, 2) @ main.sales.orders
+ stddev(x), stddev_pop(x), var_samp(x), corr(x, x), covar_samp(x, x), skewness(x), kurtosis(x), regr_slope(x, x), percentile(x, 0.5), median(x), avg(x), sum(x), percentile_approx(x, 0.5), regr_r2(x, x) @ VALUES (1) AS t(x)
+ stddev(x), corr(x, y), skewness(x), kurtosis(x), regr_slope(y, x), regr_r2(y, x), regr_intercept(y, x), covar_pop(x, y), regr_sxx(y, x) @ VALUES (1.0D, 2.0D), (1.0D, 3.0D) AS t(x, y)
+ sum(x), avg(x), max(x), min(x), count(x), stddev(x), collect_list(x), first(x), bool_and(x > 0), percentile(x, 0.5), skewness(x), mode(x), listagg(x), count_if(x > 0), max_by(x, x), approx_count_distinct(x), bit_or(x) @ VALUES (CAST(NULL AS INT)) AS t(x)
+ string_agg(customer, ','), listagg(customer), listagg(customer, '-') WITHIN GROUP (ORDER BY id DESC), string_agg(DISTINCT customer, ',') WITHIN GROUP (ORDER BY customer), listagg(qty, ',') WITHIN GROUP (ORDER BY qty), listagg(customer, ',') FILTER (WHERE b), string_agg(customer, null) WITHIN GROUP (ORDER BY customer) @ main.sales.orders
+ sum(x), avg(x), max(x), min(x) @ VALUES (9223372036854775807), (1) AS t(x)
+ sum(x), avg(x), max(x), min(x), sum(x) / 3 @ VALUES (double('nan')), (1.0D) AS t(x)
+ try_sum(x), try_avg(x) @ VALUES (9223372036854775807L), (1L) AS t(x)
+ sum(x), avg(x), sum(x * x) @ VALUES (cast(99999999999999999999999999999999999999 as decimal(38,0))), (cast(1 as decimal(38,0))) AS t(x)
## windows
+ row_number() OVER (ORDER BY id), rank() OVER (ORDER BY customer), dense_rank() OVER (ORDER BY customer), percent_rank() OVER (ORDER BY qty), cume_dist() OVER (ORDER BY customer), ntile(2) OVER (ORDER BY id), lag(qty) OVER (ORDER BY id), lag(qty, 2, -1) OVER (ORDER BY id), lead(qty, 1) OVER (ORDER BY id), lead(customer, 1, 'none') OVER (ORDER BY id), first_value(qty) OVER (PARTITION BY customer ORDER BY id), last_value(qty) OVER (PARTITION BY customer ORDER BY id), nth_value(id, 2) OVER (ORDER BY id), sum(qty) OVER (), sum(qty) OVER (ORDER BY id), sum(amount) OVER (ORDER BY id), avg(amount) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), count(*) OVER (PARTITION BY customer), max(qty) OVER (ORDER BY id ROWS 2 PRECEDING), sum(qty) OVER (ORDER BY qty RANGE BETWEEN 2 PRECEDING AND CURRENT ROW), sum(qty) OVER (ORDER BY d RANGE BETWEEN INTERVAL 30 DAYS PRECEDING AND CURRENT ROW), sum(qty) OVER (PARTITION BY b ORDER BY amount DESC), collect_list(id) OVER (ORDER BY id), last_value(amount) IGNORE NULLS OVER (ORDER BY id), lag(amount) IGNORE NULLS OVER (ORDER BY id), count(DISTINCT b) OVER (), sum(qty) FILTER (WHERE b) OVER (ORDER BY id), row_number() OVER (), rank() OVER (PARTITION BY customer), sum(qty) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING), min(customer) OVER (ORDER BY id), first(amount, true) OVER (ORDER BY id DESC), stddev(qty) OVER (), percent_rank() OVER (PARTITION BY customer ORDER BY id), sum(qty) OVER (ORDER BY customer), row_number() OVER (PARTITION BY customer ORDER BY ts DESC, id), any_value(id) OVER (ORDER BY id), max_by(id, qty) OVER (ORDER BY id), lag(id, -1) OVER (ORDER BY id), row_number() @ main.sales.orders ORDER BY id
SELECT id, sum(qty) OVER w, avg(qty) OVER w FROM main.sales.orders WINDOW w AS (PARTITION BY customer ORDER BY id) ORDER BY id
SELECT customer, sum(qty), rank() OVER (ORDER BY sum(qty) DESC) FROM main.sales.orders GROUP BY customer ORDER BY customer
SELECT customer, sum(sum(qty)) OVER (ORDER BY customer) FROM main.sales.orders GROUP BY customer ORDER BY customer
SELECT id FROM main.sales.orders QUALIFY row_number() OVER (PARTITION BY customer ORDER BY id) = 1 ORDER BY id
SELECT id, row_number() OVER (ORDER BY qty) AS rn FROM main.sales.orders QUALIFY rn <= 2 ORDER BY rn
SELECT id, qty - lag(qty) OVER (ORDER BY id) AS delta FROM main.sales.orders ORDER BY id
SELECT id, round(qty / sum(qty) OVER () * 100, 1) AS pct FROM main.sales.orders ORDER BY id
SELECT id, amount - avg(amount) OVER (PARTITION BY customer) AS diff FROM main.sales.orders ORDER BY id
SELECT * FROM (SELECT id, row_number() OVER (PARTITION BY b ORDER BY id) rn FROM main.sales.orders) WHERE rn = 1 ORDER BY id
SELECT id, sum(f) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) s FROM main.sales.orders ORDER BY id
SELECT id FROM main.sales.orders WHERE row_number() OVER (ORDER BY id) = 1
## generators
SELECT explode(array(1,2,3))
SELECT explode(map('a',1,'b',2))
SELECT explode(map('a',1)) AS (k, v)
SELECT explode(null)
SELECT explode(array()) AS x
SELECT explode_outer(array()) AS x
SELECT posexplode(array('a','b'))
SELECT posexplode(array('a','b')) AS (p, v)
SELECT posexplode_outer(cast(null as array<int>))
SELECT inline(array(struct(1,'a'), struct(2,'b')))
SELECT inline(array(named_struct('x',1,'y','a'))) AS (p, q)
SELECT inline_outer(array(struct(1,'a')))
SELECT inline_outer(CAST(NULL AS ARRAY<STRUCT<a: INT>>))
SELECT stack(2, 1, 2, 3)
SELECT stack(2, 'a', 1, 'b', 2)
SELECT json_tuple('{"a":1,"b":"x"}', 'a', 'b')
SELECT json_tuple('{"a":1,"b":"x"}', 'b', 'z') AS (p, q)
SELECT id, explode(tags) FROM main.sales.orders ORDER BY id, col
SELECT id, explode(tags) AS tag, size(tags) AS n FROM main.sales.orders ORDER BY id, tag
SELECT id, explode(split(customer, '')) AS ch FROM main.sales.orders WHERE id = 2
SELECT id, explode(tags) + 1 FROM main.sales.orders
SELECT explode(tags), explode(tags) FROM main.sales.orders
SELECT explode(collect_list(id)) AS x FROM main.sales.orders ORDER BY x
SELECT customer, explode(collect_list(qty)) AS q FROM main.sales.orders GROUP BY customer ORDER BY customer, q
SELECT DISTINCT explode(tags) AS t FROM main.sales.orders ORDER BY t
SELECT explode(sequence(1, 3)) AS n ORDER BY n DESC LIMIT 2
SELECT id, t.tag FROM main.sales.orders LATERAL VIEW OUTER explode(tags) t AS tag ORDER BY id, tag
SELECT id, tag, p FROM main.sales.orders LATERAL VIEW OUTER posexplode(tags) t AS p, tag ORDER BY id, p
SELECT id, k, v FROM main.sales.orders LATERAL VIEW OUTER explode(props) AS k, v ORDER BY id, k
SELECT id, a, b2 FROM main.sales.orders LATERAL VIEW explode(tags) t1 AS a LATERAL VIEW explode(tags) t2 AS b2 WHERE id = 1 ORDER BY a, b2
SELECT tag, count(*) FROM main.sales.orders LATERAL VIEW explode(tags) t AS tag GROUP BY tag ORDER BY tag
SELECT id, c0 FROM main.sales.orders LATERAL VIEW json_tuple(js, 's') j AS c0 ORDER BY id
SELECT id, x.y FROM main.sales.orders LATERAL VIEW explode(array(id, id * 10)) x AS y WHERE id < 3 ORDER BY y
SELECT * FROM explode(array(1, 2)) ORDER BY col
SELECT * FROM explode(array(1, 2)) AS t(x) ORDER BY x
SELECT * FROM posexplode(array('a')) AS t(p, x)
SELECT * FROM inline(array(struct(1, 'a')))
SELECT * FROM stack(2, 1, 'a', 2, 'b') AS t(n, s) ORDER BY n
SELECT id, x FROM main.sales.orders, LATERAL explode(tags) AS t(x) ORDER BY id, x
SELECT id, x FROM main.sales.orders LEFT JOIN LATERAL explode(tags) AS t(x) ON true ORDER BY id, x
SELECT id, p, x FROM main.sales.orders JOIN LATERAL posexplode(tags) AS t(p, x) ORDER BY id, p
SELECT id, e.key, e.value FROM main.sales.orders, LATERAL explode(props) AS e ORDER BY id, e.key
SELECT o.id, t.tag, c.tier FROM main.sales.orders o JOIN main.sales.customers c ON o.customer = c.name LATERAL VIEW explode(o.tags) t AS tag ORDER BY o.id, t.tag
## pivots
SELECT * FROM (SELECT customer, b, qty FROM main.sales.orders) PIVOT (sum(qty) FOR b IN (true, false)) ORDER BY customer
SELECT * FROM (SELECT customer, b, qty FROM main.sales.orders) PIVOT (sum(qty) AS s FOR b IN (true AS yes, false AS no)) ORDER BY customer
SELECT * FROM (SELECT year(d) AS y, customer, qty FROM main.sales.orders) PIVOT (sum(qty), count(*) AS n FOR customer IN ('Alice', 'bob' AS bobby)) ORDER BY y
SELECT * FROM (SELECT customer, b, qty, id FROM main.sales.orders) PIVOT (max(qty) FOR (customer, b) IN (('Alice', true) AS at, ('bob', false) AS bf)) ORDER BY id
SELECT Alice, bob FROM (SELECT customer, qty FROM main.sales.orders) PIVOT (avg(qty) FOR customer IN ('Alice', 'bob'))
SELECT * FROM (SELECT customer, qty FROM main.sales.orders) PIVOT (count(*) FOR customer IN ('Alice', 'nobody'))
SELECT * FROM (SELECT id, customer, qty FROM main.sales.orders) PIVOT (sum(qty * 2) AS s, max(id) AS m FOR customer IN ('Alice' a)) ORDER BY 1
SELECT * FROM (SELECT 1 AS id, 10 AS a, 20 AS b) UNPIVOT (v FOR n IN (a, b)) ORDER BY n
SELECT * FROM (SELECT 1 AS id, 10 AS a, null AS b) UNPIVOT (v FOR n IN (a, b))
SELECT * FROM (SELECT 1 AS id, 10 AS a, cast(null as int) AS b) UNPIVOT INCLUDE NULLS (v FOR n IN (a AS `A`, b AS `B`)) ORDER BY n
SELECT * FROM (SELECT 1 AS id, 1 AS a1, 2 AS a2, 3 AS b1, 4 AS b2) UNPIVOT ((x, y) FOR n IN ((a1, a2) AS a, (b1, b2) AS b)) ORDER BY n
SELECT n, v FROM (SELECT 1 AS id, 10 AS a, 2.5 AS b) UNPIVOT (v FOR n IN (a, b)) AS u ORDER BY n
## samples and pipes
SELECT count(*) FROM main.sales.orders TABLESAMPLE (3 ROWS)
SELECT count(*) >= 0 FROM main.sales.orders TABLESAMPLE (50 PERCENT)
FROM main.sales.orders |> WHERE qty > 1 |> SELECT id, qty |> ORDER BY id
FROM main.sales.orders |> EXTEND qty * 2 AS q2 |> SELECT id, q2 |> ORDER BY id
FROM main.sales.orders |> AGGREGATE sum(qty) AS s GROUP BY customer |> ORDER BY customer
FROM main.sales.orders |> SELECT id |> LIMIT 0
FROM main.sales.orders |> SET qty = qty + 1 |> SELECT id, qty |> ORDER BY id
FROM main.sales.orders |> DROP tags, props, addr, js |> WHERE id = 1
FROM main.sales.orders |> JOIN main.sales.customers ON customer = name |> SELECT id, tier |> ORDER BY id
FROM main.sales.orders |> AS o |> SELECT o.id |> ORDER BY id
FROM main.sales.orders |> UNION ALL TABLE main.sales.orders |> AGGREGATE count(*) AS n
SELECT id FROM main.sales.orders |> WHERE id > 3 |> ORDER BY id
## columns of integers
+ x + 1, x - y, x * y, x / 2, try_divide(x, y), x % 3, try_mod(x, y), x div 2, pmod(x, 3), -x, abs(x), x & 3, x | 4, x ^ 1, ~x, x << 1, shiftleft(x, 2), shiftright(x, 1), shiftrightunsigned(x, 1), sign(x), sqrt(abs(x)), ln(x), log10(x), log2(x), exp(x / 10), pow(x, 2), round(x / 3, 2), round(x, -1), bround(x / 2.0), ceil(x / 2), floor(x / 2), ceil(x / 2.0), greatest(x, y, 0), least(x, y), coalesce(x, y, 0), nullif(x, 5), nvl2(x, y, -1), if(x > 0, 'pos', 'neg'), x in (1, 5, null), x between 0 and 6, x <=> y, x is distinct from y, cast(x as string), cast(x as double), cast(x as decimal(10,2)), cast(x as boolean), cast(x as tinyint), try_cast(x * 100 as tinyint), bin(x), hex(x), conv(abs(x), 10, 2), conv(x, 10, 2), factorial(x), bit_count(x), chr(x + 64), repeat('a', x), space(x), lpad(x, 4, '0'), format_number(x * 1000, 1), x || '!', concat(x, '-', y), array(x, y), array(x, y)[0], sequence(1, x), element_at(array(10,20,30), x), get(array(10,20,30), x), try_element_at(array(10,20,30), x), slice(array(1,2,3,4,5,6,7), x, 2), array_repeat(x, 2), map(x, y), map(1,'a',5,'b')[x], named_struct('x', x, 'y', y), date_add(date'2024-01-31', x), add_months(date'2024-01-31', x), date'2024-01-31' - x, make_date(2024, x, 1), timestamp_seconds(x * 86400), from_unixtime(x * 86400), elt(x, 'a', 'b', 'c', 'd', 'e', 'f', 'g'), substring('abcdefgh', x), substring('abcdefgh', x, 3), substring('abcdefgh', 2, x), left('abcdef', x), right('abcdef', x), split_part('a,b,c', ',', x), substring_index('a.b.c.d', '.', x), overlay('abcdef', 'X', x), x + 2147483640, x * 1000000000, case x when 1 then 'one' when 5 then 'five' end, case when x > 2 then 'big' when x < 0 then 'neg' end, try_add(x, 2147483645), try_multiply(x, 2000000000), timestampadd(MONTH, x, timestamp'2024-01-31 10:00:00'), dateadd(DAY, x, date'2024-01-01'), interval 1 day * x > interval 2 days, make_timestamp(2024, 1, x, 0, 0, 0), aggregate(sequence(1, abs(x)), 0, (a, i) -> a + i * x), transform(array(1,2), v -> v * x), filter(array(-3,1,5), v -> v > x), exists(array(1,5), v -> v = x) @ VALUES (1, 2), (5, 0), (-3, null), (null, 4), (7, 7) AS t(x, y)
+ x + 1, x / 2, x div 2, x / y @ VALUES (1, 2), (5, 1), (-3, null), (null, 4), (7, 7) AS t(x, y)
+ make_date(2024, x, 1), slice(array(1,2,3), x, 1), elt(x, 'a','b','c'), date_add(date'2024-01-31', x), sequence(x, 3), substring('abc', x), x + 2147483640 @ VALUES (1), (2), (null) AS t(x)
## columns of decimals
+ x + y, x - y, x * y, x / y, try_divide(x, y), x % 3, x div 1.5, -x, abs(x), round(x, 1), round(x), round(x, -1), bround(x, 1), ceil(x), floor(x), ceil(x, 1), floor(x, 1), sign(x), cast(x as int), cast(x as string), cast(x as double), cast(x as decimal(5,1)), try_cast(x as decimal(3,2)), x > 2, x = 2.5, x in (2.5, 10), greatest(x, y), coalesce(x, 0), x * 1.19, x / 3, x + 1, x * 2D, format_number(x, 1), sqrt(abs(x)), x || '', cast(x as boolean), hash(x) is null, pmod(x, 3), x <=> y, nullif(x, 2.50), array(x, y), to_json(named_struct('x', x)), cast(x as bigint), truncate(x, 1) @ VALUES (2.50, 1.25), (10.00, 3.00), (-7.35, 0.50), (null, 1.00), (0.05, null) AS t(x, y)
+ sum(x), avg(x), min(x), max(x), sum(x) / count(x), avg(x) * 2, sum(x * y), stddev(x), percentile(x, 0.5), sum(x) / sum(y), avg(x / y), round(avg(x), 2), median(x) @ VALUES (2.50, 1.25), (10.00, 3.00), (-7.35, 0.50), (null, 1.00), (0.05, null) AS t(x, y)
## columns of doubles
+ x + y, x / 2, x % 2, try_divide(x, y), -x, abs(x), round(x, 1), round(x), bround(x, 1), ceil(x), floor(x), rint(x), sqrt(x), ln(x), exp(x), cast(x as string), cast(x as int), try_cast(x as int), cast(x as decimal(10,1)), x > y, x = x, isnan(x), nanvl(x, 0), greatest(x, y), least(x, y), coalesce(x, y), format_number(x, 2), sign(x), pmod(x, 2), x <=> y, format_string('%.2f', x), to_json(named_struct('x', x)), array_max(array(x, y)), sort_array(array(x, y)), x in (1.5, 2.5), hex(cast(x as bigint)) @ VALUES (1.5D, 2.0D), (-2.345D, 0.5D), (1234567.891D, -1.0D), (null, 1.0D), (0.005D, null) AS t(x, y)
+ x, cast(x as string), round(x, 2), isnan(x), x > 1, x = x, coalesce(nanvl(x, 0), -1), floor(0), abs(x), greatest(x, 5), min(x) over (), max(x) over (), x / 2, format_number(x, 1) @ VALUES (double('nan')), (double('inf')), (-1.0D), (null) AS t(x)
## columns of strings
+ upper(s), lower(s), initcap(s), length(s), reverse(s), trim(s), ltrim(s), concat(s, '!'), concat_ws('-', s, t), s || t, substring(s, 2, 3), substr(s, -2), left(s, 2), right(s, 2), lpad(s, 6, '*'), rpad(s, 6, '*'), repeat(s, 2), replace(s, 'a', 'b'), replace(s, t, '_'), translate(s, 'abc', 'xyz'), instr(s, t), locate(t, s), locate(t, s, 2), contains(s, t), startswith(s, t), endswith(s, t), split(s, ','), split(s, ',')[0], split(s, t) is null, split_part(s, ',', 2), substring_index(s, ',', 1), ascii(s), hex(s), md5(s), base64(s), s like '%a%', s like concat(t, '%'), s ilike 'A%', s rlike '^[a-z]+$', regexp_replace(s, '[aeiou]', '*'), regexp_extract(s, '([a-z]+)', 1), regexp_extract_all(s, '[a-z]', 0), regexp_count(s, 'a'), s = t, s < t, s <=> t, s in ('abc', 'x'), coalesce(s, t), nullif(s, t), if(s > t, s, t), greatest(s, t), cast(s as binary), try_cast(s as int), try_cast(s as double), try_cast(s as date), try_cast(s as boolean), try_cast(s as timestamp), try_cast(s as decimal(5,2)), find_in_set(t, s), levenshtein(s, t), overlay(s, 'X', 2), mask(s), encode(s, 'utf-8'), url_encode(s), octet_length(s), char_length(s), array_join(array(s, t), '+'), array_contains(split(s, ','), t), map(s, t), named_struct('s', s), to_json(named_struct('s', s, 't', t)), get_json_object(s, '$.a'), from_json(s, 'a INT'), explode(split(s, ',')), size(split(s, ',')), array_sort(split(s, ',')), transform(split(s, ','), v -> upper(v)), str_to_map(s, ',', ':'), decode(s, 'abc', 1, 'x', 2, 3), case s when 'abc' then 1 else 0 end, elt(2, s, t), format_string('<%s>', s), initcap(t), soundex(s) is null, unhex(s), unbase64(base64(s)), sha2(s, 256) @ VALUES ('abc', 'b'), ('Hello, World', ','), ('', 'x'), (null, 'y'), ('  a,b,c ', null), ('12.5', '12'), ('{"a":5}', 'a') AS u(s, t)
+ cast(s as int), cast(s as double), cast(s as decimal(5,1)), s + 1, s * 2, s > 5, s = 7, -s, s / 2, round(s, 0), abs(s), s between 1 and 8, s in (7, 8) @ VALUES ('7'), (' 12 '), (null), ('-3') AS t(s)
+ cast(s as int) @ VALUES ('7'), ('x') AS t(s)
+ cast(s as date), to_date(s), to_timestamp(s), cast(s as timestamp), year(s), datediff(s, '2024-01-01'), date_add(s, 1), s > date'2024-01-01', unix_timestamp(s, 'yyyy-MM-dd'), to_date(s, 'yyyy-MM-dd'), date_format(s, 'dd.MM.yyyy'), months_between(s, '2024-01-01'), last_day(s), next_day(s, 'Mon'), trunc(s, 'MM'), add_months(s, 1), weekofyear(s), dayofweek(s) @ VALUES ('2024-01-15'), ('2023-12-31'), (null) AS t(s)
## columns of dates
+ year(x), month(x), day(x), quarter(x), dayofweek(x), weekday(x), dayofyear(x), weekofyear(x), last_day(x), next_day(x, 'Sun'), add_months(x, 1), add_months(x, -1), date_add(x, 10), date_sub(x, 10), datediff(x, date'2024-01-01'), months_between(x, date'2024-01-31'), trunc(x, 'MM'), trunc(x, 'YEAR'), trunc(x, 'QUARTER'), trunc(x, 'WEEK'), date_trunc('MONTH', x), date_format(x, 'yyyy/MM/dd'), date_format(x, 'E d MMM yy'), date_format(x, 'D'), x + interval 1 month, x - interval 1 year, x + interval 1 day, x + interval 36 hours, cast(x as string), cast(x as timestamp), unix_date(x), extract(DOW FROM x), extract(WEEK FROM x), date_part('year', x), dayname(x), monthname(x), x > '2024-02-01', x between '2024-01-01' and '2024-12-31', datediff(MONTH, date'2024-01-31', x), timestampdiff(YEAR, date'2020-02-29', x), dateadd(MONTH, 1, x), sequence(x, date_add(x, 2)), coalesce(x, current_date()) is null, to_json(named_struct('d', x)), x = date'2024-02-29', x - date'2024-01-01' > interval 10 days, unix_timestamp(x), make_date(year(x), 1, 1), from_utc_timestamp(x, 'Asia/Tokyo'), greatest(x, date'2024-06-01'), array(x), extract(YEAROFWEEK FROM x), date_format(x, "'Q'q yyyy") @ VALUES (date'2024-01-31'), (date'2024-02-29'), (date'2023-12-31'), (date'1969-07-20'), (null) AS t(x)
## columns of timestamps
+ hour(x), minute(x), second(x), date_trunc('HOUR', x), date_trunc('DAY', x), date_trunc('WEEK', x), date_trunc('SECOND', x), cast(x as date), cast(x as string), cast(x as bigint), cast(x as double), date_format(x, 'yyyy-MM-dd HH:mm:ss.SSS'), date_format(x, 'h:mm a'), unix_timestamp(x), unix_millis(x), unix_micros(x), unix_seconds(x), x + interval 1 hour, x - interval 90 minutes, x + interval 1 month, timestampadd(HOUR, 25, x), timestampdiff(DAY, timestamp'2024-01-01 00:00:00', x), timestampdiff(HOUR, x, timestamp'2024-03-01 12:00:00'), timestampdiff(MONTH, x, timestamp'2024-03-01 12:00:00'), datediff(x, date'2024-01-01'), from_utc_timestamp(x, 'America/Los_Angeles'), to_utc_timestamp(x, 'America/Los_Angeles'), from_utc_timestamp(x, '+05:30'), convert_timezone('UTC', 'Europe/Paris', x), extract(HOUR FROM x), extract(SECOND FROM x), date_part('MINUTE', x), x > '2024-02-01', x = timestamp'2024-01-31 23:59:59.5', to_json(named_struct('t', x)), last_day(x), trunc(x, 'MM'), year(x), weekofyear(x), to_date(x), months_between(x, timestamp'2024-01-15 12:00:00'), x - timestamp'2024-01-01 00:00:00' > interval 1 day, cast(x as timestamp_ntz), date_add(x, 1), array_max(array(x)), date_format(x, 'EEEE'), date_format(x, 'DDD') @ VALUES (timestamp'2024-01-31 23:59:59.5'), (timestamp'2024-03-10 10:30:00'), (timestamp'1969-12-31 12:00:00.123456'), (null) AS t(x)
## columns of arrays
+ size(a), a[0], a[1] is null, element_at(a, 1), try_element_at(a, 9), array_contains(a, 2), array_contains(a, x), array_position(a, x), array_distinct(a), array_sort(a), sort_array(a), sort_array(a, false), array_max(a), array_min(a), reverse(a), slice(a, 1, 2), concat(a, array(x)), array_union(a, array(x)), array_intersect(a, array(x)), array_except(a, array(x)), array_remove(a, x), array_append(a, x), arrays_overlap(a, array(x)), array_join(cast(a as array<string>), ','), flatten(array(a, a)), transform(a, v -> v + x), filter(a, v -> v >= x), exists(a, v -> v = x), forall(a, v -> v > 0), aggregate(a, 0, (s, v) -> s + coalesce(v, 0)), zip_with(a, a, (p, q) -> p * q), arrays_zip(a, array(x)), explode(a), posexplode(a), explode_outer(a), array_compact(a), cast(a as string), to_json(a), a = array(1,2), a < array(2), coalesce(a, array()), array_repeat(x, 2), transform(a, (v, i) -> i), array_sort(a, (l, r) -> case when l is null or r is null then 0 else r - l end) @ VALUES (array(1,2,3), 2), (array(3,1,null,1), 1), (array(), 5), (null, 1), (array(2), null) AS t(a, x)
## second_round
+ width_bucket(5,0,10,5), current_database() is not null, version() is not null, current_user() is not null, current_catalog() is not null, monotonically_increasing_id() >= 0, array_insert(array(1,2,3),2,9), map_zip_with(map('a',1),map('a',2),(k,a,b)->a+b), regexp_instr('abc','b'), soundex('Robert'), schema_of_json('{"a":1}'), to_char(123,'999'), randn() is not null, make_interval(1,2) is not null, bround(15,-1), substring('hello' FROM 2 FOR 3), left('hello',3), char_length('x'), 'a' || NULL, concat_ws(',', NULL, 'x'), nullif('', ''), trim(LEADING '0' FROM '007'), sentences('Hi there. Bye'), space(3) || 'x', reverse('hello'), instr('hello','l'), lower('ABC'), ucase('x'), overlay('hello' PLACING 'XX' FROM 2 FOR 3), split('a,b,c', ',')[1], split('oneAtwoBthree', '[AB]'), split_part('a.b.c', '.', 2), regexp_replace('abc123', '[0-9]+', ''), regexp_extract('id=42', 'id=(\\d+)'), translate('hello', 'el', 'ip'), initcap('o''neil mc-donald'), format_string('%s-%d', 'x', 5), format_string('%08.3f', 3.14159D), printf('%d%%', 5), lpad('5', 3, '0'), rpad('5', 3, 'x'), base64(encode('abc','UTF-8')), hex('abc'), md5('abc'), sha2('abc', 224), crc32('abc'), ascii('a'), bit_length('a'), levenshtein('a','b'), locate('o','hello world', 6), substring_index('a.b.c', '.', -1), to_binary('YWJj','base64'), uuid() <> uuid(), char(10) = '\n', contains('Spark', 'ark'), startswith('Spark','Sp'), endswith('Spark','rk'), ifnull(NULL,'x'), aes_encrypt('a','b') is null
+ dateadd(MONTH, 1, DATE'2024-01-31'), datediff(DAY, DATE'2024-01-01', DATE'2024-02-01'), date_add(DATE'2024-02-28', 1), date_sub('2024-03-01', 1), add_months(DATE'2024-08-31', 6), months_between('2024-02-29','2024-01-31'), last_day('2023-02-01'), next_day('2024-01-01','TU'), trunc('2024-08-15','YEAR'), trunc('2024-08-15','MONTH'), date_trunc('QUARTER', TIMESTAMP'2024-08-15 10:11:12'), extract(MONTH FROM DATE'2024-08-15'), extract(EPOCH FROM TIMESTAMP'2024-01-01 00:00:00'), extract(DAYOFWEEK FROM DATE'2024-08-15'), date_part('hour', TIMESTAMP'2024-08-15 10:11:12'), weekofyear('2020-12-31'), dayofweek('2024-08-15'), dayofyear('2024-12-31'), unix_timestamp('2024-01-01 00:00:00'), from_unixtime(1704067200, 'yyyy-MM-dd HH:mm'), to_date('2024/01/02','yyyy/MM/dd'), to_timestamp('02-01-2024 03:04','dd-MM-yyyy HH:mm'), to_timestamp('2024-01-02 03:04:05.678'), make_date(2024,12,31), make_timestamp(2024,1,1,0,0,0), timestamp_seconds(0), timestamp_millis(1500), date_from_unix_date(19723), current_date() = date(current_timestamp()), date_format(DATE'2024-01-05','EEE, MMM d'), date_format(TIMESTAMP'2024-01-05 15:06:07','hh:mm:ss a'), date_format(TIMESTAMP'2024-01-05 15:06:07.089','ss.SSS'), TIMESTAMP'2024-01-01 00:00:00' + INTERVAL '1 2:3:4' DAY TO SECOND, DATE'2024-01-31' + INTERVAL '1' MONTH, DATE'2024-03-01' - DATE'2024-02-01', TIMESTAMP'2024-01-02 00:00:00' - INTERVAL 1 DAY, from_utc_timestamp('2024-06-01 00:00:00','Asia/Kolkata'), to_utc_timestamp('2024-06-01 00:00:00','Asia/Kolkata'), timestampadd(MINUTE, -90, TIMESTAMP'2024-01-01 00:00:00'), timestampdiff(WEEK, TIMESTAMP'2024-01-01 00:00:00', TIMESTAMP'2024-02-01 00:00:00'), date_diff(DATE'2024-02-01', DATE'2024-01-01'), INTERVAL '10' SECOND, INTERVAL 3 DAYS, INTERVAL '2-6' YEAR TO MONTH > INTERVAL 29 MONTHS, window_time(null), date('2024-01-01') = '2024-01-01', year(current_date()) > 2000, hour(timestamp'2024-01-01 23:00:00'), time_trunc('x','y'), to_time('10:00'), current_time() is not null, dayname('2024-01-01'), to_timestamp_ltz('2024-01-01 00:00:00'), to_timestamp_ntz('2024-01-01 00:00:00'), unix_date('2024-01-01'), timestamp'2024-02-30 00:00:00', date_bucket(null)
+ array_union(array(1,2),array(2,3)), array_distinct(array(1,1,2)), array_position(array('a','b'),'b'), array_remove(array(1,2,1),1), array_repeat('a',3), arrays_overlap(array(1),array(1,2)), array_join(array('a','b'),'-'), array_min(array(3,1)), size(map('a',1)), cardinality(array(1,2)), element_at(array('a','b'),-1), flatten(array(array(1,2),array(3))), slice(array(1,2,3),-2,1), sort_array(array('b',null,'a')), array_sort(array('b',null,'a')), shuffle(array(1)) , sequence(10,1,-3), transform(array(1,2),x->x*x), filter(array(1,null,3),x->x is not null), exists(array(1,2),x->x>5), forall(array(2,4),x->x%2=0), reduce(array(1,2,3),0,(a,x)->a+x,a->a*2), zip_with(array(1,2),array('a','b'),(x,y)->concat(x,y)), map_keys(map(1,'a')), map_values(map(1,'a')), map_entries(map('x',1,'y',2)), map_from_entries(array(struct('a',1))), map_concat(map('a',1),map('c',3)), map_filter(map('a',1,'b',2),(k,v)->v>1), transform_values(map('a',1),(k,v)->v*10), transform_keys(map('a',1),(k,v)->concat(k,'!')), str_to_map('a=1&b=2','&','='), named_struct('a',1,'b','x').b, struct(1 as x, 2 as y).y, arrays_zip(array(1,2),array('a','b')), array_append(array(1),2), array_prepend(array(1),0), array_insert(array(1,3),2,2), array_compact(array(1,null)), get(array(1),5), try_element_at(array(1),5), array(1,2) = array(1,2), array_contains(array('a'),'a'), array_except(array(1,2,null),array(null)), array_size(array(1)), map_contains_key(map(1,2),1), map('a',1) = map('a',1), array(1,2,3)[1], aggregate(array('a','b'),'',(acc,x)->concat(acc,x)), array_max(array(1.5,2)), sort_array(array(true,false))
+ get_json_object('{"a":[1,2,{"b":"c"}]}','$.a[2].b'), get_json_object('{"a":1}','$.b'), json_array_length('[1,2]'), from_json('{"a":1,"b":[1,2]}','a INT, b ARRAY<INT>').b[0], from_json('{"t":"2024-01-01 00:00:00"}','t TIMESTAMP').t, to_json(named_struct('a',1,'b',array('x'))), to_json(map('k',array(1))), json_object_keys('{"x":1}'), from_json('{"a":1}', schema_of_json('{"a":1}')), from_json('{"m":{"x":1}}','m MAP<STRING,INT>').m['x'], to_json(struct(date'2024-01-01' as d)), get_json_object('{"a":"1"}','$.a') + 1, json_tuple('{"a":1,"b":2}','a','b'), variant_get(parse_json('{"a":{"b":[10,20]}}'),'$.a.b[1]','int'), parse_json('{"k":"v"}'):k::string, parse_json('[1,2,3]'):[1]::int, try_parse_json('{') is null, cast(parse_json('{"a":1}') as string), to_json(named_struct('s',struct(1 as x))), parse_json('1.50')::decimal(5,2), from_json('{"a":"2024-01-15"}','a DATE').a, get_json_object('{"a":true}','$.a'), get_json_object('{"a":[]}','$.a'), get_json_object('{"a":{}}','$.a'), get_json_object('{"x":{"a":1,"b":2}}','$.x'), get_json_object('{"a":1.0}','$.a'), get_json_object('{"a":100000000000}','$.a'), get_json_object('{"a":"x\\ny"}','$.a'), get_json_object(' {"a": 1} ','$.a'), get_json_object("{'a': 1}",'$.a'), from_json('{"a":01}','a INT').a, from_json('{"a":1}','a BIGINT').a, from_json('{"a":1.5}','a STRING').a, from_json('{"a":[1,"x"]}','a ARRAY<INT>').a
+ 5 | 3, 5 ^ 3, ~5, shiftleft(1,3), shiftright(16,2), 17 % 5, -17 % 5, -17 div 5, pmod(-17,5), abs(-3.5), ceil(3.2), floor(-3.7), round(3.14159,3), round(-1.5), bround(0.5), sqrt(16), cbrt(8), exp(0), ln(1), log(10,1000), log10(0.1), log2(1), pow(2,10), sign(-5), radians(90), sin(0), cos(0), tan(0), atan2(0,1), hypot(5,12), factorial(6), greatest(1,2,3), least('b','a'), hex(255), unhex('4D'), bin(10), conv('11',2,16), rint(1.5), mod(10,3), cot(1), e() > 2, pi() > 3, rand(1) is not null, 0.1 + 0.2, 1e2, 1.0 * 3, 10 / 4, 10.0 / 4, 7 / 2 * 2, 1 / 3.0, 100 * 1.1, cast(1.999 as int), cast('1.5' as decimal(3,1)) + 1, double('1e400'), cast(1e40 as float), 1.23456789012345678901234567890, 99999999999999999999, 1.0 = 1, 1.10 = 1.1, cast(0.1 as float) = 0.1, round(2.675, 2), round(2.675D, 2), truncate(1.5), cast(-0.5 as int), 3 = 3.0D, 2147483647 + 1L, cast(10 as tinyint) * cast(20 as tinyint), abs(interval '-1' day) > interval 0 day, +1, - 1, -(1), 1--1, try_divide(1.0, 0), try_add(9223372036854775807, 1), isnan(0D/1), positive(5), negative(-5), ceiling(1.5), floor(1.55, 1), ceil(-1.55, 1), bit_xor(5) , getbit(10, 1), div(7,2), width_bucket(3.5, 3, 8, 5)
SELECT customer, sum(amount) total, count(DISTINCT d) days FROM main.sales.orders GROUP BY customer HAVING count(*) >= 1 ORDER BY total DESC NULLS LAST, customer
SELECT b, avg(qty) a, min(ts), max(d) FROM main.sales.orders GROUP BY b ORDER BY b
SELECT date_format(d,'yyyy-MM') m, sum(qty) FROM main.sales.orders GROUP BY 1 ORDER BY 1
SELECT id, sum(qty) OVER (PARTITION BY b ORDER BY id ROWS UNBOUNDED PRECEDING) FROM main.sales.orders ORDER BY id
SELECT id, avg(qty) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM main.sales.orders ORDER BY id
SELECT customer, id, row_number() OVER (PARTITION BY customer ORDER BY amount DESC) rn FROM main.sales.orders QUALIFY rn = 1 ORDER BY id
SELECT o.id, c.* FROM main.sales.orders o LEFT JOIN main.sales.customers c ON c.name = o.customer ORDER BY 1
SELECT * FROM main.sales.customers c FULL JOIN (SELECT 'zed' AS name) z USING (name) ORDER BY name
SELECT id, tag, idx FROM main.sales.orders LATERAL VIEW OUTER posexplode(tags) p AS idx, tag ORDER BY id, idx
SELECT id, e.* FROM main.sales.orders, LATERAL explode(props) AS e(k, v) ORDER BY id, k
SELECT inline(array(struct(1 AS a, 'x' AS b), struct(2, 'y')))
SELECT addr.city, count(*) FROM main.sales.orders GROUP BY addr.city HAVING addr.city IS NOT NULL ORDER BY 1
SELECT props['k1'] AS k1, props['nope'] AS n FROM main.sales.orders ORDER BY id
SELECT map_keys(props)[0] FROM main.sales.orders WHERE id = 1
SELECT id FROM main.sales.orders WHERE js IS NOT NULL AND get_json_object(js, '$.a.b') > 1 ORDER BY id
SELECT sum(CASE WHEN b THEN qty ELSE 0 END) s, count_if(NOT b) FROM main.sales.orders
SELECT * FROM (VALUES (1,'a'),(2,'b')) AS t(id, name) WHERE id IN (SELECT 2)
SELECT x, count(*) FROM (SELECT explode(tags) x FROM main.sales.orders) GROUP BY x ORDER BY x
WITH t AS (SELECT customer, sum(qty) q FROM main.sales.orders GROUP BY customer) SELECT * FROM t WHERE q = (SELECT max(q) FROM t)
SELECT customer, percent_rank() OVER (ORDER BY qty), cume_dist() OVER (ORDER BY qty) FROM main.sales.orders ORDER BY qty
SELECT first_value(id) OVER (ORDER BY qty DESC), last_value(id) OVER (ORDER BY qty DESC) FROM main.sales.orders ORDER BY id
SELECT id, ntile(3) OVER (ORDER BY id), nth_value(id,3) OVER (ORDER BY id) FROM main.sales.orders ORDER BY id
SELECT customer, b, grouping_id() FROM main.sales.orders GROUP BY CUBE(customer, b) ORDER BY 1,2,3
SELECT customer, grouping_id(customer) FROM main.sales.orders GROUP BY ROLLUP(customer) ORDER BY 1,2
SELECT * FROM (SELECT customer, qty, year(d) y FROM main.sales.orders) PIVOT (sum(qty) FOR y IN (2023, 2024)) ORDER BY customer
SELECT * FROM (SELECT customer, qty q, id i FROM main.sales.orders) UNPIVOT (val FOR col IN (q, i AS ident)) ORDER BY customer, col, val
SELECT id, amount::int a, amount::string s, ts::date FROM main.sales.orders ORDER BY id
SELECT TRY_CAST(customer AS INT) FROM main.sales.orders ORDER BY id
SELECT id, IF(qty > 2, 'many', 'few') FROM main.sales.orders ORDER BY id
SELECT id, ts + INTERVAL 1 DAY, d + 1, date_add(d, qty) FROM main.sales.orders ORDER BY id
SELECT id, datediff(DAY, d, DATE'2024-12-31') FROM main.sales.orders ORDER BY id
SELECT approx_percentile(amount, array(0.5, 0.9)), percentile(amount, 0.5), median(qty), mode(b) FROM main.sales.orders WHERE b IS NOT NULL
SELECT array_agg(customer) FROM (SELECT customer FROM main.sales.orders ORDER BY id)
SELECT collect_set(tags) FROM main.sales.orders WHERE id = 1
SELECT string_agg(tag, '|') FROM (SELECT explode(tags) tag FROM main.sales.orders WHERE id = 1)
SELECT stddev(amount), variance(amount), corr(id, qty), covar_pop(id, qty) FROM main.sales.orders
SELECT max_by(customer, amount), min_by(customer, amount), bit_or(id), bool_or(b) FROM main.sales.orders
SELECT id FROM main.sales.orders WHERE (customer, qty) = ('Alice', 2)
SELECT id FROM main.sales.orders WHERE struct(customer, qty) IN (SELECT customer, qty FROM main.sales.orders WHERE id = 1)
SELECT count(*) FROM main.sales.orders a, main.sales.orders b WHERE a.id = b.id + 1
SELECT a.id, b.id FROM main.sales.orders a LEFT JOIN main.sales.orders b ON b.id = a.id + 1 AND b.b ORDER BY 1
SELECT DISTINCT year(d), b FROM main.sales.orders ORDER BY 1, 2
SELECT * FROM (SELECT id, qty FROM main.sales.orders ORDER BY qty DESC LIMIT 2) ORDER BY id
SELECT id FROM main.sales.orders WHERE customer ILIKE 'a%' OR customer RLIKE '^b' ORDER BY id
SELECT id FROM main.sales.orders WHERE customer LIKE ANY ('A%', 'b%') ORDER BY id
SELECT /*+ COALESCE(1) */ count(*) FROM main.sales.orders
SELECT coalesce(customer, 'n/a') c, nvl(amount, 0), nullif(qty, 7) FROM main.sales.orders ORDER BY id
SELECT id, rank() OVER (PARTITION BY b ORDER BY qty DESC NULLS LAST) FROM main.sales.orders ORDER BY id
SELECT lag(id, 1) OVER (PARTITION BY customer ORDER BY ts), lead(ts) OVER (ORDER BY ts) FROM main.sales.orders ORDER BY id
SELECT current_date() - DATE'2024-01-01' > INTERVAL 1 DAY
SELECT 1 AS `a b`, 2 AS `sel``ect`
SELECT id AS ID2, Id FROM main.sales.orders ORDER BY iD LIMIT 1
SELECT sum(id) FROM range(1, 101)
SELECT id FROM range(10) WHERE id % 2 = 0 ORDER BY id DESC LIMIT 3 OFFSET 1
SELECT * FROM VALUES (1, array(1,2)), (2, null) AS t(id, a) LATERAL VIEW explode(a) e AS x ORDER BY id, x
SELECT transform(tags, t -> upper(t)), size(tags), array_join(tags, ',') FROM main.sales.orders ORDER BY id
SELECT id, exists(tags, t -> t = 'a') FROM main.sales.orders ORDER BY id
SELECT id, map_entries(props), addr.zip FROM main.sales.orders WHERE id < 3 ORDER BY id
SELECT from_json(js, 'a STRUCT<b: INT>, arr ARRAY<INT>').a.b FROM main.sales.orders ORDER BY id
SELECT id, sum(qty) OVER (ORDER BY ts RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM main.sales.orders ORDER BY id
SELECT count(*) c FROM main.sales.orders GROUP BY b WITH CUBE ORDER BY c
SELECT id FROM main.sales.orders UNION SELECT tier FROM main.sales.customers ORDER BY id DESC LIMIT 3
SELECT qty, count(*) OVER (PARTITION BY qty > 2) FROM main.sales.orders ORDER BY qty
SELECT id FROM main.sales.orders ORDER BY CASE WHEN customer = 'bob' THEN 0 ELSE 1 END, id
SELECT sum(qty) FILTER (WHERE customer = :cust), max(:q) FROM main.sales.orders
SELECT id, :cust || '-' || id FROM main.sales.orders WHERE qty >= :q ORDER BY id
SELECT last_day(d), d FROM main.sales.orders WHERE d BETWEEN DATE'2024-01-01' AND DATE'2024-06-30' ORDER BY id
SELECT any_value(customer) FROM main.sales.orders WHERE id = 1
SELECT make_date(year(d), month(d), 1) m, count(*) FROM main.sales.orders GROUP BY m ORDER BY m
FROM main.sales.orders |> SELECT id, qty |> WHERE qty > 2 |> ORDER BY id DESC |> LIMIT 1
FROM main.sales.orders |> AGGREGATE count(*) AS c, sum(qty) AS s GROUP BY customer |> WHERE c > 1
## json_as_found
+ get_json_object("{'a': 1}",'$.a'), get_json_object('{"a":1} xyz','$.a'), get_json_object('{"a":1','$.a'), get_json_object('{a:1}','$.a'), get_json_object('{"a":1,}','$.a'), get_json_object('{"a":01}','$.a'), get_json_object('{"a":NaN}','$.a'), get_json_object('{"a":1}{"a":2}','$.a'), get_json_object('{"b":1,"a":2','$.a'), get_json_object('[1,2','$[0]'), get_json_object('{"a":tru}','$.a'), get_json_object('{"a":1 "b":2}','$.a'), get_json_object('// c\n{"a":1}','$.a'), get_json_object('{"a":"x\ty"}','$.a'), get_json_object('"a"','$'), get_json_object('5','$'), get_json_object('{"a":+1}','$.a'), get_json_object('{"a":.5}','$.a'), get_json_object('{"a":1}','$.A'), get_json_object('{"a":1,"a":2}','$.a'), get_json_object('','$.a'), get_json_object('null','$'),get_json_object('{"a":1.50}','$'), get_json_object('{"a" : [ 1 , 2 ]}','$.a'), get_json_object('{"a":1e2}','$.a'), get_json_object('{"a":1.10}','$.a'), get_json_object('{"a":12345678901234567890}','$.a'), get_json_object('{"a":0.00001}','$.a'), get_json_object('{"a":123456789.125}','$.a'), get_json_object('{"a":{"x":1.0E5}}','$.a')
+ from_json("{'a': 1}",'a INT'), from_json('{"a":1} xyz','a INT'), from_json('{a:1}','a INT'), from_json('{"a":1,}','a INT'), from_json('{"x":"z"}','MAP<STRING,INT>'), from_json('{"a":[{"b":1},{"b":"x"}]}','a ARRAY<STRUCT<b:INT>>'), from_json('{"a":{"b":"x"},"c":1}','a STRUCT<b:INT>, c INT'), from_json('{"a":"x","c":1}','a INT, c INT'), from_json('{"a":1}{"a":2}','a INT'), from_json('{"a":NaN}','a DOUBLE'), from_json('{"a":"NaN"}','a DOUBLE'), from_json('{"a":1.0}','a INT'), from_json('{"a":true}','a STRING'), from_json('{"a":"true"}','a BOOLEAN'), from_json('{"a":1}','a DOUBLE'), from_json('{"a":"1.5"}','a DOUBLE'), from_json('{"a":"1.5"}','a DECIMAL(5,2)'), from_json('{"a":1.555}','a DECIMAL(5,2)'), from_json('[1,2]','a INT'), from_json('5','a INT'), from_json('[{"a":1},{"a":2}]','a INT'), from_json('{"a":1}','ARRAY<STRUCT<a:INT>>'), from_json('{"a":"2024-1-5"}','a DATE'), from_json('{"a":"bad"}','a DATE'), from_json('{"a":"2024-01-15 10:00"}','a TIMESTAMP'), from_json('{"a":1,"a":2}','a INT'), from_json('  ','a INT'), from_json('{"a":[1,null]}','a ARRAY<INT>'), from_json('{"a":{"x":1,"y":"q"}}','a MAP<STRING,INT>'), from_json('{"a":1705314600}','a TIMESTAMP'), from_json('{"a":null,"b":"x"}','a STRING, b STRING'), from_json('{"a":{"x": 1.50}}','a STRING'), from_json('{"a":128}','a TINYINT'), from_json('{"a":"x"}','A STRING'), from_json('{"a b":1}','`a b` INT')
+ json_array_length("['a']"), json_array_length('[1,2'), json_array_length('[1,2] x'), json_object_keys("{'a':1}"), json_object_keys('{"a":1'), json_object_keys('{"a":1} x'), json_array_length(''), json_array_length('[]')
