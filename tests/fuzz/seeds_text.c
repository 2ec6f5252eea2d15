/* SPDX-License-Identifier: MPL-2.0
 *
 * Seeds of the readers of text. What a writer of SyncBus writes is written by it; layouts are those that are
 * installed; rows, lines and the rest are made up.
 */
#define _GNU_SOURCE
#include "seeds.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "sb_config.h"
#include "sb_control_text.h"
#include "sb_names.h"

#define COUNT(array) (sizeof (array) / sizeof *(array))

/* A label with a number. */
static const char *s_label (const char *text, size_t number)
{
    static char label[64];
    snprintf (label, sizeof label, "%s%zu", text, number);
    return label;
}

static void s_save_texts (seed_t *seed, const char *target, const char *label, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        seed_text (seed, texts[i]);
        seed_save (seed, target, s_label (label, i));
    }
}

/* ------------------------------------------------------------------ control state */

static void s_control_text (seed_t *seed)
{
    const sb_operator_record_t operators[] = {
        {.agent_id = sb_text ("a"), .paused = true, .revision = 4, .issuer = sb_text ("alice"), .since_unix_ns = 17},
        {.agent_id = sb_text ("b"), .isolated = true, .revision = 5, .reason = sb_text ("too fast, 50%")},
        {.agent_id = sb_text ("c"), .paused = true, .by_agent = true, .revision = 6, .issuer = sb_text ("c")}};
    for (uint32_t count = 0; count <= COUNT (operators); count++) {
        const sb_control_state_t state = {.stopped = count & 1,
                                          .latch_epoch = count + 1,
                                          .issuer = sb_text ("bob"),
                                          .reason = sb_text ("a \xc3\xa4 test"),
                                          .since_unix_ns = 18,
                                          .operators = operators,
                                          .operator_count = count};
        size_t size;
        char *text = sb_control_text_write (&state, 12, &size);
        FUZZ_CLAIM (text);
        seed_add (seed, text, size);
        seed_save (seed, "control_text", s_label ("whole", count));
        seed_octet (seed, '+');
        seed_add (seed, text, (size_t)(strstr (text, "checksum ") - text));
        seed_save (seed, "control_text", s_label ("body", count));
        free (text);
    }
}

/* ------------------------------------------------------------------ configuration */

static void s_config_file (seed_t *seed)
{
    static const char *const texts[] = {
        "# few\ningress\n    endpoint = \"tcp://*:5570\"\n    advertise = \"host.example\"\n",
        "breaker\n    failure_threshold = 3\n    failure_window = 1500 ms\n    recovery_delay = 2 m # short\n",
        "history\n    updates = 10\n    category = \"trades 20\"\n    category = \"market_data 5\"\n    bytes = 2 "
        "MiB\n",
        "categories\n    rule = \"rsi* technical\"\n    rule = \"* rest\"\n    event = \"\"\n",
        "log\n    format = json\n    level = debug\n    file = 'x.log'\nlimits\n    agents = 3\n    value_bytes = 1 "
        "GiB\n",
        "limits\n    agents = 0\n    agents = 5\nno_such\n    key = 1\n\tx\n  y\n    \"z\n",
    };
    s_save_texts (seed, "config_file", "text", texts, COUNT (texts));
}

/* ------------------------------------------------------------------ market data */

static void s_layout_file (seed_t *seed)
{
    struct dirent **entries;
    int count = scandir (FUZZ_LAYOUTS, &entries, NULL, alphasort);
    FUZZ_CLAIM (count > 0);
    for (int i = 0; i < count; i++) {
        char path[1024], text[4096], label[64];
        const char *dot = strstr (entries[i]->d_name, ".zpl");
        if (dot) {
            snprintf (path, sizeof path, "%s/%s", FUZZ_LAYOUTS, entries[i]->d_name);
            FILE *file = fopen (path, "rb");
            FUZZ_CLAIM (file);
            seed_add (seed, text, fread (text, 1, sizeof text, file));
            fclose (file);
            snprintf (label, sizeof label, "%.*s", (int)(dot - entries[i]->d_name), entries[i]->d_name);
            seed_save (seed, "layout_file", label);
        }
        free (entries[i]);
    }
    free (entries);
}

static void s_market_row (seed_t *seed)
{
    static const char *const rows[] = {
        "equity_quotes\n1381152600000,34200000,1680500,3,0,0,Q,R,0",
        "equity_trades\n1381152600000,34200000,1680500,100,P,,0",
        "minute_quote_bars\n1381152600000,34200000,1,2,1,2,3,4,5,3,4,5",
        "crypto_minute_quote_bars\n1381152600000,x,BTCUSD,0,1,2,1,2,3,4,5,4,5,6",
        "simulated\n1381152600000000000,spot,BTC,17,64250.5,0.25,,,,",
        "simulated\n{\"ts_ns\":1381152600000000000,\"market\":\"spot\",\"symbol\":\"BTC\",\"price\":1e3,\"size\":-0.5}",
        "simulated\n{\"ts_ns\":\"1\",\"market\":\"s\\u0041\\\"\",\"symbol\":null,\"bid\":[1,{\"x\":2}],\"deep\":{\"a\":"
        "{}}}",
        "binance_trades\n{\"e\":\"trade\",\"E\":1,\"s\":\"BNBBTC\",\"t\":12345,\"p\":\"0.001\",\"q\":\"100\",\"T\":1}",
        "binance_book_ticker\n{\"u\":400900217,\"s\":\"BNBUSDT\",\"b\":\"25.3\",\"B\":\"31\",\"a\":\"25.4\",\"A\":"
        "\"40\"}",
        "fundamental_constituents\nA,\"Big, \"\"Co\"\"\",Tech,12.5,3,,1,2,3,4,5,6,7,http",
        "risk_vix_daily\n2024-03-10,13.1,14.2,12.9,13.5",
        "macro_us10y_monthly\n1953-04,2.83",
        "sentiment_fear_greed_daily\n2024-03-10,55,Greed",
        "onchain_blocks\n1,2,3,4,5,6,7",
    };
    s_save_texts (seed, "market_row", "row", rows, COUNT (rows));
}

/* Adds `text` as a gzip member. */
static void s_add_gzip (seed_t *seed, const char *text)
{
    uint8_t room[1024];
    z_stream stream = {0};
    FUZZ_CLAIM (deflateInit2 (&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    stream.next_in = (uint8_t *)text;
    stream.avail_in = (uInt)strlen (text);
    stream.next_out = room;
    stream.avail_out = sizeof room;
    FUZZ_CLAIM (deflate (&stream, Z_FINISH) == Z_STREAM_END);
    seed_add (seed, room, stream.total_out);
    deflateEnd (&stream);
}

static void s_market_input (seed_t *seed)
{
    static const char *const texts[] = {"a,b\n1,2\n", "a,b\r\n1,2\r\n\r\n3,4", "", "\n\n\n", "no end"};
    s_save_texts (seed, "market_input", "plain", texts, COUNT (texts));
    s_add_gzip (seed, "a,b\n1,2\n3,4\n");
    seed_save (seed, "market_input", "gzip");
    s_add_gzip (seed, "a,b\n1,");
    s_add_gzip (seed, "2\n3,4\n");
    seed_save (seed, "market_input", "gzip_members");
    s_add_gzip (seed, "a,b\n1,2\n3,4\n5,6\n7,8\n");
    seed->size -= 9;
    seed_save (seed, "market_input", "gzip_cut");
}

static void s_json_delta (seed_t *seed)
{
    static const char *const lines[] = {
        "{\"category\": \"market_data\", \"subject\": \"spot:BTC\", \"event_unix_ns\": 1, \"origin_unix_ns\": \"2\","
        "\"changes\": {\"price\": 1.5, \"size\": 3, \"exact\": {\"decimal\": \"64250.10\"}, \"raw\": {\"base64\": "
        "\"AAEC\"},"
        "\"live\": true, \"note\": \"text\", \"old\": null}}",
        "{\"changes\":{\"a\":-0.5e-3,\"b\":-7,\"c\":1e308,\"d\":9223372036854775807,\"e\":{\"decimal\":\"-1e5\"}}}",
        "{\"changes\":{\"s\":\"\\u20ac\\ud83d\\ude00\\n\\\\\\\"\",\"t\":\"\xc3\xa9\",\"u\":{\"base64\":\"AA==\"}}}",
        "{\"changes\":{}}",
        "{\"changes\":{\"x\":[1]}}",
        "{\"changes\":{\"x\":1,\"x\":2},\"more\":1}",
        "{\"changes\":{\"x\":\"\\ud800\"}} z",
    };
    s_save_texts (seed, "json_delta", "line", lines, COUNT (lines));
}

static void s_moment (seed_t *seed)
{
    static const char *const texts[] = {
        "now",
        "-90s",
        "-1.5h",
        "-1e3d",
        "2024-08-09T12:00:01.5Z",
        "2024-02-29 23:59:59.999999999+02:00",
        "2024-08-09",
        "1723204801500000000",
        "9999999999999999999",
        "2262-04-11T23:47:16.854775807Z",
        "1970-01-01T00:00:00-23:59",
        "1.5h",
        "500ms",
    };
    s_save_texts (seed, "moment", "text", texts, COUNT (texts));
}

/* ------------------------------------------------------------------ words and command lines */

static void s_words (seed_t *seed)
{
    static const char *const names[] = {
        "market_data.feed.spot:BTC",
        "_event.a.",
        "all",
        "trades",
        "~conflated.250.market_data.feed.SPY",
        "~conflated.10.",
        "rsi.14",
        "",
        "\xc3\xa9",
        "a.b.c.d",
    };
    static const char *const literals[] = {
        "price=64250.10", "42",       "-1.5e-3", "true", "text:42", "decimal:64250.10", "base64:AAEC",
        "old=null",       "-0.00100", "AAEC",    "AA==", "null",    "x=text:",
    };
    static const char *const arguments[] = {
        "status",
        "--json\npause-agent\ntrader\n--reason\nx",
        "emergency_clear\nlatch-epoch=3",
        "history\nmarket_data\n--last=5\n--command=tcp://127.0.0.1:5572",
        "pub\nmarket_data\nspot:BTC\nprice=1.5\nold=null",
        "--help",
        "no_such\n--\n--x",
    };
    static const char *const broker[] = {
        "--ingress=tcp://127.0.0.1:5570\n--limits-agents\n3",
        "--print-config\nSYNCBUS_LIMITS_AGENTS=5\nSYNCBUS_LOG_LEVEL=debug",
        "--config\nx.zpl",
        "--no-such\nx\nSYNCBUS_HISTORY_CATEGORY=market_data 5 1 MiB,risk 3",
        "--help",
    };
    static const char *const market[] = {
        "ticks.csv\n--layout\nequity_trades\n--pace=recorded\n--symbol=SP*",
        "--sim\n7\n--sim-seconds=60\n--pace\nflat\n--agent-id=feed",
        "--list-layouts",
        "-\n--as\nspy.csv\n--check\n--json",
        "--pace=0\n--batch=300\nx\ny",
    };
    s_save_texts (seed, "names", "name", names, COUNT (names));
    s_save_texts (seed, "literal", "value", literals, COUNT (literals));
    s_save_texts (seed, "arguments", "line", arguments, COUNT (arguments));
    s_save_texts (seed, "broker_options", "line", broker, COUNT (broker));
    s_save_texts (seed, "market_options", "line", market, COUNT (market));
}

void seeds_text (seed_t *seed)
{
    s_control_text (seed);
    s_config_file (seed);
    s_layout_file (seed);
    s_market_row (seed);
    s_market_input (seed);
    s_json_delta (seed);
    s_moment (seed);
    s_words (seed);
}
