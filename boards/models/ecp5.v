// Cells of Lattice ECP5 for which Yosys has no simulation model, as far as its technology mapping uses them.
//
// After Lattice FPGA-TN-02204 (ECP5 and ECP5-5G Memory Usage Guide) and FPGA-TN-02205 (sysDSP Usage Guide). A setting
// that is not modelled ends the simulation.

// 18,432 bits with two ports: units of 9 bits, of which ports of 1, 2 and 4 bits see the lower 8, and ports of 18 and
// 36 bits two or four at once. Of an address, a port of 18 bits takes the lowest two bits, one of 36 the lowest four,
// as enables for its units when it writes. A port of 36 bits writes at A only and reads at B only; the lower half
// travels at DIA and DOA, the upper one at DIB and DOB.
module DP16KD(
  input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2,
  DIA1, DIA0,
  input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
  DOA1, DOA0,
  input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2,
  DIB1, DIB0,
  input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
  DOB1, DOB0
);
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000";
  parameter WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB";
  parameter GSR = "ENABLED", INIT_DATA = "STATIC", WID = 0;
  parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0;
  parameter [319:0] INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0;
  parameter [319:0] INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0;
  parameter [319:0] INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0;
  parameter [319:0] INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0;
  parameter [319:0] INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0;
  parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0;
  parameter [319:0] INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0;
  parameter [319:0] INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0;
  parameter [319:0] INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0;
  parameter [319:0] INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0;
  parameter [319:0] INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0;
  parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0;
  parameter [319:0] INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0;
  parameter [319:0] INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0;
  parameter [319:0] INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;

  reg [8:0] memory [0:2047];

  localparam [20479:0] CONTENTS = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38, INITVAL_37,
    INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30, INITVAL_2F, INITVAL_2E,
    INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28, INITVAL_27, INITVAL_26, INITVAL_25,
    INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C,
    INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13,
    INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A,
    INITVAL_09, INITVAL_08, INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01,
    INITVAL_00
  };
  integer word;
  initial
    for (word = 0; word < 1024; word = word + 1) begin
      memory[2 * word] = CONTENTS[20 * word +: 9];
      memory[2 * word + 1] = CONTENTS[20 * word + 9 +: 9];
    end

  initial
    if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CSDECODE_A != "0b000" || CSDECODE_B != "0b000")
      $fatal(1, "DP16KD: output registers and chip select are not modelled");

  wire [17:0] di_a = {
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1,
    DIA0
  };
  wire [17:0] di_b = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1,
    DIB0
  };
  wire [13:0] ad_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] ad_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire select_a = CEA && {CSA2, CSA1, CSA0} == 0;
  wire select_b = CEB && {CSB2, CSB1, CSB0} == 0;
  wire write_a = select_a && WEA && !(RSTA && RESETMODE == "SYNC");
  wire write_b = select_b && WEB && !(RSTB && RESETMODE == "SYNC");
  wire clear_a = RSTA && RESETMODE == "ASYNC";
  wire clear_b = RSTB && RESETMODE == "ASYNC";
  wire clock_a = CLKAMUX == "INV" ? ~CLKA : CLKA;
  wire clock_b = CLKBMUX == "INV" ? ~CLKB : CLKB;

  localparam UNITS_A = DATA_WIDTH_A == 36 ? 4 : DATA_WIDTH_A == 18 ? 2 : 1;
  localparam UNITS_B = DATA_WIDTH_B == 36 ? 4 : DATA_WIDTH_B == 18 ? 2 : 1;
  localparam NARROW_A = DATA_WIDTH_A < 9 ? DATA_WIDTH_A : 9;
  localparam NARROW_B = DATA_WIDTH_B < 9 ? DATA_WIDTH_B : 9;

  // The first unit of a port's word, and where in it a narrow port's word lies.
  wire [10:0] at_a = ad_a[13:3] & ~(UNITS_A - 1);
  wire [10:0] at_b = ad_b[13:3] & ~(UNITS_B - 1);
  wire [2:0] bit_a = DATA_WIDTH_A < 9 ? ad_a[2:0] & ~(NARROW_A - 1) : 0;
  wire [2:0] bit_b = DATA_WIDTH_B < 9 ? ad_b[2:0] & ~(NARROW_B - 1) : 0;

  // What each port reads: words of 36 bits, of which narrower ports have the lowest. A unit that the other port writes
  // in the same cycle reads as anything.
  reg [35:0] old_a, old_b;
  wire [35:0] new_a = {di_b, di_a}, new_b = {18'd0, di_b};
  integer a, b;
  always @* begin
    old_a = 0;
    for (a = 0; a < UNITS_A; a = a + 1)
      if (write_b && at_b == ((at_a + a) & ~(UNITS_B - 1)) && (UNITS_B == 1 || ad_b[(at_a + a) & (UNITS_B - 1)]))
        old_a[9 * a +: 9] = 9'bx;
      else
        old_a[9 * a +: 9] = memory[at_a + a] >> bit_a;
    old_b = 0;
    for (b = 0; b < UNITS_B; b = b + 1)
      if (write_a && at_a == ((at_b + b) & ~(UNITS_A - 1)) && (UNITS_A == 1 || ad_a[(at_b + b) & (UNITS_A - 1)]))
        old_b[9 * b +: 9] = 9'bx;
      else
        old_b[9 * b +: 9] = memory[at_b + b] >> bit_b;
  end

  reg [35:0] read_a = 0, read_b = 0;
  integer i, j;
  always @(posedge clock_a, posedge clear_a)
    if (clear_a || RSTA)
      read_a <= 0;
    else if (select_a && (!WEA || WRITEMODE_A != "NORMAL"))
      read_a <= WEA && WRITEMODE_A == "WRITETHROUGH" ? new_a : old_a;

  always @(posedge clock_a)
    if (write_a && DATA_WIDTH_A < 9)
      for (i = 0; i < NARROW_A; i = i + 1)
        memory[at_a][bit_a + i] <= di_a[i];
    else if (write_a)
      for (i = 0; i < UNITS_A; i = i + 1)
        if (UNITS_A == 1 || ad_a[i])
          memory[at_a + i] <= new_a[9 * i +: 9];

  always @(posedge clock_b, posedge clear_b)
    if (clear_b || RSTB)
      read_b <= 0;
    else if (select_b && (!WEB || WRITEMODE_B != "NORMAL"))
      read_b <= WEB && WRITEMODE_B == "WRITETHROUGH" ? new_b : old_b;

  always @(posedge clock_b)
    if (write_b && DATA_WIDTH_B < 9)
      for (j = 0; j < NARROW_B; j = j + 1)
        memory[at_b][bit_b + j] <= di_b[j];
    else if (write_b)
      for (j = 0; j < UNITS_B; j = j + 1)
        if (UNITS_B == 1 || ad_b[j])
          memory[at_b + j] <= new_b[9 * j +: 9];

  localparam [17:0] SEEN_A = DATA_WIDTH_A < 18 ? (1 << DATA_WIDTH_A) - 1 : 18'h3ffff;
  localparam [17:0] SEEN_B = DATA_WIDTH_B < 18 ? (1 << DATA_WIDTH_B) - 1 : 18'h3ffff;
  wire [17:0] do_a = DATA_WIDTH_B == 36 ? read_b[17:0] : read_a[17:0] & SEEN_A;
  wire [17:0] do_b = DATA_WIDTH_B == 36 ? read_b[35:18] : read_b[17:0] & SEEN_B;
  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1,
    DOA0
  } = do_a;
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1,
    DOB0
  } = do_b;
endmodule

// A product of 18 x 18 bits, without registers; factors come from A and B, never from a neighbour.
module MULT18X18D(
  input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
  input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
  input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
  input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15,
  P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
  wire signed [18:0] a = {
    SIGNEDA & A17, A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0
  };
  wire signed [18:0] b = {
    SIGNEDB & B17, B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0
  };
  wire signed [37:0] product = a * b;
  assign {
    P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14,
    P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
  } = product[35:0];
endmodule
