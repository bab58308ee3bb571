#include "framework/config/json.h"

#include <cmath>
#include <limits>

#include "tests/config/fake_factory.h"

namespace adder {
namespace {

using Kind = JsonValue::Kind;

std::string refusal(const std::string& text) {
  return usage_error([&] { parse_json(text, "x.json"); });
}

TEST(Json, EveryKeyAndValueKnowsItsPlace) {
  const JsonValue root = parse_json(
      "// head\n"
      "{\n"
      "  \"a\": 1, /* two\n"
      "  lines */ \"b\"  :  // end\n"
      "    [true, -2.5e1,\n"
      "     \"q\\\"\\u00e9\", null],\n"
      "  \"ö\": {\"c\": 0}, \"d\": {}\n"
      "}\n",
      "x.json");
  EXPECT_EQ(root.place.text(), "x.json:2:1");
  EXPECT_EQ(root.find("a")->key_place.text(), "x.json:3:3");
  EXPECT_EQ(root.find("a")->place.text(), "x.json:3:8");
  const JsonValue& b = *root.find("b");
  EXPECT_EQ(b.key_place.text(), "x.json:4:12");
  EXPECT_EQ(b.place.text(), "x.json:5:5");
  ASSERT_EQ(b.items.size(), 4u);
  EXPECT_EQ(b.items[0].place.text(), "x.json:5:6");
  EXPECT_EQ(b.items[1].place.text(), "x.json:5:12");
  EXPECT_EQ(b.items[1].number, -25);
  EXPECT_EQ(b.items[2].place.text(), "x.json:6:6");
  EXPECT_EQ(b.items[2].string, "q\"é");
  EXPECT_EQ(b.items[3].place.text(), "x.json:6:19");
  EXPECT_EQ(root.find("ö")->place.text(), "x.json:7:8");  // columns count characters, not bytes
  EXPECT_EQ(root.find("ö")->find("c")->place.text(), "x.json:7:14");
  EXPECT_EQ(root.find("d")->key_place.text(), "x.json:7:18");
}

TEST(Json, AcceptsWhatJsonAllows) {
  EXPECT_EQ(parse_json("\xEF\xBB\xBF{\"a\": 1}", "x").find("a")->place.text(), "x:1:7");
  EXPECT_EQ(parse_json("{\r\n\"a\": 9223372036854775807}", "x").find("a")->integer, INT64_MAX);
  EXPECT_EQ(parse_json("[-9223372036854775808]", "x").items[0].integer, INT64_MIN);
  EXPECT_EQ(parse_json("[5e-324]", "x").items[0].number, 5e-324);
  EXPECT_TRUE(parse_json("[0.0]", "x").items[0].is(Kind::number));
  EXPECT_EQ(parse_json("[\"\xF0\x9F\x90\x8D\"]", "x").items[0].string, "\xF0\x9F\x90\x8D");
  EXPECT_NO_THROW(parse_json(std::string(64, '[') + std::string(64, ']'), "x"));
}

TEST(Json, DuplicateKeysNameBothLines) {
  EXPECT_EQ(refusal("{\n\"model\": {\n \"d_model\": 1,\n \"x\": 2,\n\n  \"d_model\": 1}}"),
            "x.json:6:3: model.d_model is given twice (first on line 3); remove one");
  EXPECT_HAS(refusal("{\"a\": [{}, {\"b\": 1, \"b\": 2}]}"),
             "x.json:1:21: a[1].b is given twice (first on line 1)");
  EXPECT_HAS(refusal("{\"a\": {\"q\": 1}, \"a\": 1}"), "x.json:1:17: a is given twice");
}

TEST(Json, NumbersThatDoNotFit) {
  EXPECT_HAS(refusal("{\n \"a\": 1e999}"), "x.json:2:7: a: number 1e999 is too large for a double");
  EXPECT_HAS(refusal("{\"a\": -1e999}"), "number -1e999 is too large");
  EXPECT_HAS(refusal("{\"a\": 1e-999}"), "x.json:1:7: a: number 1e-999 is too small");
  EXPECT_HAS(refusal("{\n\n\"a\": 9223372036854775808}"),
             "x.json:3:6: a: integer 9223372036854775808 does not fit");
  EXPECT_HAS(refusal("{\"a\": 99999999999999999999999}"),
             "integer 99999999999999999999999 does not fit in 64 bits");
  EXPECT_HAS(refusal("{\"a\": -99999999999999999999999}"), "does not fit in 64 bits");
}

TEST(Json, SyntaxErrorsSayWhatStandsThere) {
  EXPECT_EQ(refusal("{\n\"a\": 1,\n}"), "x.json:3:1: a comma stands before '}'; remove the comma");
  EXPECT_EQ(refusal("[1, 2, // more\n ]"), "x.json:2:2: a comma stands before ']'; remove the comma");
  EXPECT_EQ(refusal("{\"a\": 1\n \"b\": 2}"), "x.json:2:2: expected ',' or '}', found \"b\"");
  EXPECT_EQ(refusal("{\"a\" 1}"), "x.json:1:6: a: expected ':' after the key, found 1");
  EXPECT_EQ(refusal("{a: 1}"), "x.json:1:2: expected a key in double quotes or '}', found a");
  EXPECT_EQ(refusal("{'a': 1}"), "x.json:1:2: expected a key in double quotes or '}', found 'a'");
  EXPECT_EQ(refusal("{\"a\": NaN}"), "x.json:1:7: a: expected a value, found NaN");
  EXPECT_EQ(refusal("{\"a\": }"), "x.json:1:7: a: expected a value, found }");
  EXPECT_EQ(refusal("{\"a\": 1} {"), "x.json:1:10: expected nothing after the end of the JSON text, found {");
  EXPECT_EQ(refusal("{\"a\": 012}"), "x.json:1:8: expected ',' or '}', found 12");
  EXPECT_EQ(refusal("[1-2]"), "x.json:1:3: expected ',' or ']', found -2");
  EXPECT_HAS(refusal("{\"a\": \"one\n two\"}"),
             "x.json:1:7: a: the string that starts here is not closed on its line");
  EXPECT_HAS(refusal("{\"a\": \"\\q\"}"),
             "x.json:1:7: a: invalid string: forbidden character after backslash");
  EXPECT_HAS(refusal("{\"a\": 1.}"), "x.json:1:7: a: invalid number");
  EXPECT_HAS(refusal("{\n /* open"), "x.json:2:2: invalid comment; missing closing '*/'");
}

TEST(Json, TruncatedAtEveryByteIsAnErrorThatNamesALine) {
  const std::string text = "{\"a\": [1, {\"b\": \"x\"}], // c\n \"d\": {\"e\": true}, \"f\": -1.5e3}";
  for (size_t n = 1; n < text.size(); ++n) {
    const std::string message = refusal(text.substr(0, n));
    EXPECT_TRUE(has(message, "x.json:1:") || has(message, "x.json:2:")) << n << ": " << message;
  }
  EXPECT_EQ(refusal("{\n \"a\": {\n  \"b\": 1\n"),
            "x.json:4:1: the file ends early (cut short?): '{' of line 2 is not closed");
}

TEST(Json, EmptyTextSaysWhatIsExpected) {
  for (const char* text : {"", " \n\t ", "// only a comment\n", "\xEF\xBB\xBF"})
    EXPECT_HAS(refusal(text),
               "x.json: the file is empty or holds only comments; expected a config such as {");
}

TEST(Json, InvalidUtf8AndControlCharacters) {
  EXPECT_HAS(refusal("{\n \"a\": \"b\xFF\"}"), "x.json:2:9: byte 255 is not valid UTF-8");
  EXPECT_HAS(refusal("// \xC0\xAF\n{}"), "x.json:1:4: byte 192 is not valid UTF-8");
  EXPECT_HAS(refusal("\"\xED\xA0\x80\""), "byte 237 is not valid UTF-8");      // a lone surrogate
  EXPECT_HAS(refusal("\"\xF4\x90\x80\x80\""), "byte 244 is not valid UTF-8");  // beyond U+10FFFF
  EXPECT_HAS(refusal("\"\xE2\x82"), "byte 226 is not valid UTF-8");            // cut short
  // nlohmann takes a zero byte for the end of the text: what follows must not vanish.
  EXPECT_HAS(refusal(std::string("{\"a\": 1}\0{", 10)), "x.json:1:9: byte 0 is a control character");
}

TEST(Json, DeepNestingIsRefused) {
  EXPECT_HAS(refusal(std::string(65, '[')), "x.json:1:65: lists and objects are nested deeper than 64");
  EXPECT_HAS(refusal(std::string(1000000, '[')), "nested deeper than 64");
  std::string objects;
  for (int i = 0; i < 100; ++i) objects += "{\"k\":\n";
  EXPECT_HAS(refusal(objects), "x.json:65:1: k.k.k.");
}

TEST(Json, DumpRoundTrips) {
  JsonValue root = JsonValue::object();
  for (double x : {0.1, 1e-5, 1.0, -0.0, 1e22, 5e-324, 1.7976931348623157e308, 3.0000000000000004})
    root.set("x" + std::to_string(root.items.size()), x);
  root.set("i", INT64_MIN);
  root.set("s", "é\n\"\t\x01");
  JsonValue list = JsonValue::array();
  list.push(0.9);
  list.push(JsonValue());
  root.set("list", list);
  root.set("empty", JsonValue::object());
  for (int indent : {-1, 2}) {
    const JsonValue back = parse_json(dump(root, indent), "x");
    ASSERT_EQ(back.items.size(), root.items.size());
    for (size_t i = 0; i < root.items.size(); ++i) {
      EXPECT_EQ(back.items[i].key, root.items[i].key);
      EXPECT_EQ(back.items[i].kind, root.items[i].kind);
      EXPECT_EQ(back.items[i].number, root.items[i].number);
      EXPECT_EQ(std::signbit(back.items[i].number), std::signbit(root.items[i].number));
      EXPECT_EQ(back.items[i].integer, root.items[i].integer);
      EXPECT_EQ(back.items[i].string, root.items[i].string);
    }
    EXPECT_EQ(dump(back, indent), dump(root, indent));
  }
  EXPECT_EQ(dump(list, 2), "[0.9, null]");
  EXPECT_EQ(dump(JsonValue(std::nan("")), -1), "\"nan\"");
  EXPECT_EQ(dump(JsonValue(-std::numeric_limits<double>::infinity()), -1), "\"-inf\"");
}

TEST(Json, FilesThatAreNone) {
  const std::string good = write_temporary("mamba_tiny.json", "{}");
  const std::string folder = good.substr(0, good.rfind('/'));
  EXPECT_EQ(read_config_text(good), "{}");
  const std::string missing = usage_error([&] { read_config_text(folder + "/mamba_tyni.json"); });
  EXPECT_HAS(missing, "mamba_tyni.json: no such file; did you mean " + good + "?");
  EXPECT_HAS(missing, "ls configs/*.json");
  EXPECT_HAS(usage_error([&] { read_config_text(folder); }), "this is a folder");
}

}  // namespace
}  // namespace adder
