/* SPDX-License-Identifier: MIT
 * Grants: what may be shared, that the end of either side takes everything back, and that nothing foreign is passed on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/grant.c"

#define RAM_PAGES 64u  /* of each guest, from page 1 on: page i is machine page i + its base */
#define HOLE_PAGES 64u /* where grants may be mapped */

/* A second-level address space: machine page + 1 behind each guest page, 0: nothing. */
static struct domain guests[3];
static uint64_t pages[3][RAM_PAGES + HOLE_PAGES];
static unsigned room; /* mappings that still succeed */

static unsigned number_of(const struct domain *domain) { return (unsigned)(domain - guests); }

bool pt_lookup(const struct page_table *table, uint64_t va, uint64_t *pa, unsigned *rights)
{
    for (unsigned i = 0; i < 3; i++) {
        uint64_t page = va / PAGE_SIZE;
        if (table == &guests[i].guest && page < RAM_PAGES + HOLE_PAGES && pages[i][page]) {
            *pa = (pages[i][page] - 1) * PAGE_SIZE;
            *rights = PT_READ | PT_WRITE | (page == 2 ? PT_DEVICE : 0);
            return true;
        }
    }
    return false;
}

enum status domain_map(struct domain *domain, uint32_t how, uint64_t hpa, uint64_t address, uint64_t size)
{
    uint64_t *page = &pages[number_of(domain)][address / PAGE_SIZE];
    assert_int_equal(size, PAGE_SIZE);
    assert_true(how & MAP_READ);
    assert_true(address / PAGE_SIZE < RAM_PAGES + HOLE_PAGES);
    if (*page || !room) {
        return *page ? ERR_EXISTS : ERR_MEMORY;
    }
    room--;
    *page = hpa / PAGE_SIZE + 1;
    return OK;
}

enum status domain_unmap(struct domain *domain, uint32_t how, uint64_t address, uint64_t size)
{
    (void)how;
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        pages[number_of(domain)][(address + at) / PAGE_SIZE] = 0;
    }
    return OK;
}

static int set_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        grant_release(&guests[i]);
        memset(pages[i], 0, sizeof(pages[i]));
        for (unsigned page = 1; page < RAM_PAGES; page++) {
            pages[i][page] = 1000 * (i + 1) + page;
        }
    }
    room = 1000;
    return 0;
}

static uint32_t give(unsigned from, unsigned to, uint64_t page, uint32_t count)
{
    uint32_t index = 99;
    assert_int_equal(grant_create(&guests[from], &guests[to], page * PAGE_SIZE, count, true, &index), OK);
    return index;
}

static enum status map(unsigned peer, unsigned owner, uint32_t index, uint64_t page)
{
    uint32_t count = 0;
    return grant_map(&guests[peer], &guests[owner], index, page * PAGE_SIZE, &count);
}

static unsigned seen(unsigned guest, unsigned owner)
{
    unsigned count = 0;
    for (unsigned page = RAM_PAGES; page < RAM_PAGES + HOLE_PAGES; page++) {
        count += pages[guest][page] / 1000 == owner + 1;
    }
    return count;
}

static void shared_and_taken_back(void **state)
{
    (void)state;
    uint32_t index = give(0, 1, 10, 3);
    assert_int_equal(map(1, 0, index, RAM_PAGES), OK);
    assert_int_equal(pages[1][RAM_PAGES + 2], pages[0][12]);
    assert_int_equal(map(1, 0, index, RAM_PAGES + 8), ERR_BUSY);
    assert_int_equal(grant_end(&guests[0], &guests[1], index), OK);
    assert_int_equal(seen(1, 0), 0);
    assert_int_equal(map(1, 0, index, RAM_PAGES), ERR_NONE);
}

static void given_back_it_can_be_mapped_again(void **state)
{
    (void)state;
    uint32_t index = give(0, 1, 10, 1);
    assert_int_equal(grant_end(&guests[1], &guests[0], index), ERR_NONE); /* it has not mapped it */
    assert_int_equal(map(1, 0, index, RAM_PAGES), OK);
    assert_int_equal(grant_end(&guests[1], &guests[0], index), OK);
    assert_int_equal(seen(1, 0), 0);
    assert_int_equal(map(1, 0, index, RAM_PAGES + 1), OK);
}

static void only_the_peer_can_map(void **state)
{
    (void)state;
    uint32_t index = give(0, 1, 10, 1);
    assert_int_equal(map(2, 0, index, RAM_PAGES), ERR_NONE);
    assert_int_equal(grant_end(&guests[2], &guests[0], index), ERR_NONE);
}

static void only_ram_of_its_own(void **state)
{
    (void)state;
    uint32_t index;
    assert_int_equal(grant_create(&guests[0], &guests[1], 0, 1, true, &index), ERR_PARAM);             /* nothing there */
    assert_int_equal(grant_create(&guests[0], &guests[1], 2 * PAGE_SIZE, 1, true, &index), ERR_PARAM); /* a device */
    assert_int_equal(grant_create(&guests[0], &guests[1], (RAM_PAGES - 1) * PAGE_SIZE, 2, true, &index), ERR_PARAM);
    assert_int_equal(grant_create(&guests[0], &guests[1], 10 * PAGE_SIZE + 1, 1, true, &index), ERR_PARAM);
    assert_int_equal(grant_create(&guests[0], &guests[1], 10 * PAGE_SIZE, 0, true, &index), ERR_PARAM);
    assert_int_equal(grant_create(&guests[0], &guests[0], 10 * PAGE_SIZE, 1, true, &index), ERR_PARAM);
}

static void what_is_granted_is_not_passed_on(void **state)
{
    (void)state;
    uint32_t index = give(0, 1, 10, 2), other;
    assert_int_equal(map(1, 0, index, RAM_PAGES), OK);
    assert_int_equal(grant_create(&guests[1], &guests[2], (RAM_PAGES + 1) * PAGE_SIZE, 1, true, &other), ERR_PARAM);
}

static void the_end_of_a_domain_ends_its_grants(void **state)
{
    (void)state;
    uint32_t out = give(0, 1, 10, 2), in = give(2, 0, 20, 2);
    assert_int_equal(map(1, 0, out, RAM_PAGES), OK);
    assert_int_equal(map(0, 2, in, RAM_PAGES), OK);
    grant_release(&guests[0]);
    assert_int_equal(seen(1, 0), 0);
    assert_int_equal(grant_end(&guests[2], &guests[0], in), ERR_NONE); /* gone with its peer */
}

static void a_mapping_that_fails_leaves_nothing(void **state)
{
    (void)state;
    uint32_t index = give(0, 1, 10, 4);
    room = 2;
    assert_int_equal(map(1, 0, index, RAM_PAGES), ERR_MEMORY);
    assert_int_equal(seen(1, 0), 0);
    room = 100;
    assert_int_equal(map(1, 0, index, 30), ERR_EXISTS); /* over its own memory */
    assert_int_equal(map(1, 0, index, RAM_PAGES), OK);
}

static void there_is_a_limit_for_each(void **state)
{
    (void)state;
    uint32_t index;
    for (unsigned i = 0; i < GRANTS_PER_DOMAIN; i++) {
        assert_int_equal(give(0, 1 + i % 2, 10, 1), i / 2);
    }
    assert_int_equal(grant_create(&guests[0], &guests[1], 10 * PAGE_SIZE, 1, true, &index), ERR_MEMORY);
    (void)give(1, 0, 10, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(shared_and_taken_back, set_up),
        cmocka_unit_test_setup(given_back_it_can_be_mapped_again, set_up),
        cmocka_unit_test_setup(only_the_peer_can_map, set_up),
        cmocka_unit_test_setup(only_ram_of_its_own, set_up),
        cmocka_unit_test_setup(what_is_granted_is_not_passed_on, set_up),
        cmocka_unit_test_setup(the_end_of_a_domain_ends_its_grants, set_up),
        cmocka_unit_test_setup(a_mapping_that_fails_leaves_nothing, set_up),
        cmocka_unit_test_setup(there_is_a_limit_for_each, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
