#include "tools/ergo/table.h"

#include <gtest/gtest.h>

#include <string>

namespace ergo::tool {
namespace {

TEST(Table, ColumnsAreAsWideAsTheirWidestCell) {
  Table table("  ");
  table.Column("name");
  table.Column("n", Table::Align::kRight);
  EXPECT_TRUE(table.Empty());
  table.Row({"a", "1"});
  table.Row({"longer", "1000"});
  table.Row({"", ""});
  EXPECT_FALSE(table.Empty());
  EXPECT_EQ(table.ToString(),
            "  name       n\n"
            "  a          1\n"
            "  longer  1000\n"
            "\n");
}

TEST(Table, WidthsCountCharactersNotBytes) {
  Table table;
  table.Column("x");
  table.Column("y");
  table.Row({"\xc3\xa4\xc3\xb6", "1"});
  table.Row({"abc", "2"});
  EXPECT_EQ(table.ToString(),
            "x    y\n"
            "\xc3\xa4\xc3\xb6   1\n"
            "abc  2\n");
}

TEST(Table, NamesCannotSteerTheTerminal) {
  Table table;
  table.Column("name");
  table.Row({"\x1b[2Jboo\n\x7f"});
  EXPECT_EQ(table.ToString(), "name\n\\x1b[2Jboo\\x0a\\x7f\n");
  EXPECT_EQ(Printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(Printable("\xc3\xa4"), "\xc3\xa4");
}

}  // namespace
}  // namespace ergo::tool
