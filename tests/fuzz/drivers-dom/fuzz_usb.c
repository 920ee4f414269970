/* SPDX-License-Identifier: MIT
 * The USB driver against any devices: what they say of themselves, when they come, go, refuse, fail and are silent; and events that nobody
 * asked for. The model checks that memory is the controller's for as long as it may use it; afterwards nothing is left behind. */
#include "xhci_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_STEPS 64u

static const uint8_t *input;
static size_t left;

static uint8_t byte(void) { return left > 0 ? (left--, *input++) : 0; }

static void typed(void *context, const char *text, uint32_t size)
{
    (void)context, (void)text;
    if (size > USB_KEYBOARD_TEXT) {
        abort();
    }
}

static struct fake_device *any_device(void) { return &fake.devices[byte() % 4]; }

static void plug(struct fake_device *device)
{
    unsigned port = 3 + (unsigned)(device - fake.devices);
    bool hub = byte() & 1;
    if (device->present) {
        return;
    }
    (void)fake_make(port - 3, port, 0, (uint8_t)(1 + byte() % 3), hub ? fake_hub : fake_keyboard, hub ? sizeof(fake_hub) : sizeof(fake_keyboard));
    for (unsigned changes = byte() % 4; changes > 0; changes--) {
        device->configuration[byte() % sizeof(fake_keyboard)] = byte();
    }
    device->size = byte() & 1 ? byte() : device->size;
    device->claimed = byte() & 1 ? (uint16_t)(byte() << 8 | byte()) : 0;
    device->packet = byte() & 1 ? byte() : device->packet;
    fake_plug(port);
}

static void report(struct fake_device *device)
{
    static const uint8_t codes[] = {XHCI_SUCCESS, XHCI_SUCCESS, XHCI_SHORT_PACKET, 4, XHCI_STALL, XHCI_STOPPED};
    uint8_t bytes[16], code = codes[byte() % sizeof(codes)];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = byte();
    }
    (void)fake_report(device, bytes, byte() % sizeof(bytes), code);
}

static void hub_port(struct fake_device *device)
{
    unsigned port = byte() % (HUB_PORTS + 1);
    device->status[port] = (uint16_t)(byte() << 8 | byte());
    device->change[port] = byte();
}

static void event(void)
{
    uint64_t parameter = byte() & 1 ? fake.slots[byte() % FAKE_SLOTS].next[byte() % 4] : byte();
    uint32_t status = (uint32_t)byte() << 24 | byte();
    fake_event(parameter, status, XHCI_TRB_TYPE(byte()) | XHCI_TRB_ENDPOINT(byte() % 32) | XHCI_TRB_SLOT(byte()));
}

static void step(void)
{
    struct fake_device *device = any_device();
    switch (byte() % 8) {
    case 0: plug(device); break;
    case 1:
        if (device->present) {
            fake_unplug(device);
        }
        break;
    case 2: report(device); break;
    case 3: hub_port(device); break;
    case 4: event(); break;
    case 5:
        device->refuses = byte() % 16;
        device->silent = byte() % 8 == 0;
        break;
    case 6: fake.deaf = byte() % 8 == 0; break;
    default: fake_pass(10u * byte()); break;
    }
}

static void clean_up(struct xhci *host)
{
    fake.deaf = false;
    for (unsigned i = 0; i < 4; i++) {
        if (fake.devices[i].present) {
            fake_unplug(&fake.devices[i]);
        }
    }
    fake_pass(20000);
    if (host->devices != NULL) {
        abort();
    }
    free(host->contexts);
    free(host->table);
    free(host->events);
    free(host->commands.trbs);
    free(host);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = data;
    left = size;
    fake_begin();
    usb_keyboard_init(typed, NULL);
    if (xhci_driver.probe(&fake_pci) != OK) {
        abort();
    }
    fake_pass(20); /* it runs */
    for (unsigned i = 0; i < MAX_STEPS && left > 0; i++) {
        step();
    }
    clean_up(fake.context);
    return 0;
}
