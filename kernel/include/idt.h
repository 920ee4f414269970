/* SPDX-License-Identifier: MIT
 * The interrupt descriptor table. */
#pragma once

void idt_init(void); /* boot CPU, before the kernel's own page tables are loaded */
void idt_load(void); /* every CPU */
